-- Instants are epoch milliseconds, days are days since 1970-01-01, ids are UUIDs of version 7. Words are TEXT, lists and objects are JSON.

CREATE TABLE survey (
    id UUID NOT NULL PRIMARY KEY,
    slug TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    metric TEXT NOT NULL,
    scale TEXT NOT NULL,
    display TEXT NOT NULL,
    company TEXT,
    locale TEXT NOT NULL,
    timezone TEXT NOT NULL,
    texts TEXT NOT NULL,
    brand TEXT NOT NULL,
    deliver TEXT NOT NULL,
    deliver_mode TEXT NOT NULL,
    policy TEXT NOT NULL,
    week_start TEXT NOT NULL,
    public TEXT NOT NULL,
    archived_at BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

-- HTTP APIs that carry messages, named in `survey.deliver`. Each secret is sealed on its own, so that their names can be shown.
CREATE TABLE gateway (
    name TEXT NOT NULL PRIMARY KEY,
    preset TEXT,
    definition TEXT NOT NULL,
    secrets TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    deleted_at BIGINT
);

CREATE TABLE api_key (
    id UUID NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    scope TEXT NOT NULL,
    hash BYTEA NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    revoked_at BIGINT
);

CREATE TABLE source (
    id UUID NOT NULL PRIMARY KEY,
    survey_id UUID NOT NULL REFERENCES survey (id),
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    secret BYTEA NOT NULL,
    options TEXT NOT NULL,
    api_token BYTEA,
    created_at BIGINT NOT NULL,
    deleted_at BIGINT
);

-- Who a customer is: the only table with addresses. `identity` is a keyed hash, so that erasing the rest leaves nothing to read.
CREATE TABLE customer (
    id UUID NOT NULL PRIMARY KEY,
    identity TEXT NOT NULL UNIQUE,
    email TEXT,
    phone TEXT,
    name TEXT,
    ref TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX customer_ref ON customer (ref);

-- Whom no message reaches, by keyed hash.
CREATE TABLE suppression (
    identity TEXT NOT NULL PRIMARY KEY,
    reason TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX suppression_order ON suppression (created_at, identity);

-- The latest name of an agent; everything else refers to the agent by key.
CREATE TABLE agent (
    agent_key TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    updated_at BIGINT NOT NULL
);

-- What happened, frozen as it was, with the decision: exactly one for each interaction.
CREATE TABLE interaction (
    id UUID NOT NULL PRIMARY KEY,
    survey_id UUID NOT NULL REFERENCES survey (id),
    source_id UUID REFERENCES source (id),
    closure_key TEXT NOT NULL,
    customer_id UUID REFERENCES customer (id),
    ticket_id TEXT,
    ticket TEXT NOT NULL,
    agent_key TEXT,
    agent TEXT NOT NULL,
    team TEXT,
    channel TEXT,
    tags TEXT NOT NULL,
    touchpoint TEXT,
    segment TEXT,
    product TEXT,
    locale TEXT,
    outcome TEXT NOT NULL,
    reason TEXT,
    until_at BIGINT,
    explanation TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (closure_key, survey_id)
);
CREATE INDEX interaction_ticket ON interaction (ticket_id, survey_id);
CREATE INDEX interaction_customer ON interaction (customer_id, id);
CREATE INDEX interaction_survey ON interaction (survey_id, id);

-- What arrived at a source and became of it; the body is kept only where it could not be read.
CREATE TABLE source_event (
    id UUID NOT NULL PRIMARY KEY,
    source_id UUID NOT NULL REFERENCES source (id),
    delivery_key TEXT,
    outcome TEXT NOT NULL,
    answer TEXT NOT NULL,
    problem TEXT,
    body BYTEA,
    created_at BIGINT NOT NULL,
    UNIQUE (delivery_key, source_id)
);
CREATE INDEX source_event_age ON source_event (created_at);
CREATE INDEX source_event_order ON source_event (source_id, id);

-- With room on each page: an invitation is written again when its message leaves and when it is answered, and on its own page no index changes.
CREATE TABLE invitation (
    id UUID NOT NULL PRIMARY KEY,
    survey_id UUID NOT NULL REFERENCES survey (id),
    interaction_id UUID NOT NULL UNIQUE REFERENCES interaction (id),
    customer_id UUID REFERENCES customer (id),
    metric TEXT NOT NULL,
    state TEXT NOT NULL,
    locale TEXT,
    timezone TEXT,
    channel TEXT,
    expires_at BIGINT NOT NULL,
    sent_at BIGINT,
    sent_day INTEGER,
    unconfirmed_score SMALLINT,
    unconfirmed_at BIGINT,
    created_at BIGINT NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX invitation_customer ON invitation (customer_id, created_at);

-- What became of an invitation where no column tells: rare events only.
CREATE TABLE invitation_event (
    id UUID NOT NULL PRIMARY KEY,
    invitation_id UUID NOT NULL REFERENCES invitation (id),
    event TEXT NOT NULL,
    detail TEXT,
    created_at BIGINT NOT NULL
);
CREATE INDEX invitation_event_order ON invitation_event (invitation_id, created_at);

-- Messages that came back: what was reported of each, once. `identity` is whom soft ones count against.
CREATE TABLE bounce (
    id UUID NOT NULL PRIMARY KEY,
    message_key TEXT NOT NULL UNIQUE,
    invitation_id UUID REFERENCES invitation (id),
    identity TEXT,
    kind TEXT NOT NULL,
    status TEXT,
    created_at BIGINT NOT NULL
);
CREATE INDEX bounce_identity ON bounce (identity, kind);
CREATE INDEX bounce_age ON bounce (created_at);

-- Whoever stores a response has just read its invitation, with survey and interaction, and holds its lock; looking again costs PostgreSQL
-- more than storing the row.
CREATE TABLE response (
    id UUID NOT NULL PRIMARY KEY,
    survey_id UUID NOT NULL,
    interaction_id UUID NOT NULL,
    invitation_id UUID UNIQUE,
    raw SMALLINT NOT NULL,
    score SMALLINT NOT NULL,
    comment TEXT,
    consent BOOLEAN NOT NULL,
    locale TEXT NOT NULL,
    via TEXT NOT NULL,
    evidence TEXT NOT NULL,
    status TEXT NOT NULL,
    published BOOLEAN NOT NULL,
    excluded TEXT,
    day INTEGER NOT NULL,
    version_count INTEGER NOT NULL,
    form_at BIGINT,
    first_answered_at BIGINT NOT NULL,
    answered_at BIGINT NOT NULL
);
CREATE INDEX response_order ON response (survey_id, first_answered_at, id);

-- Versions of an answer before the one that it is at.
CREATE TABLE response_past (
    response_id UUID NOT NULL,
    version INTEGER NOT NULL,
    raw SMALLINT NOT NULL,
    comment TEXT,
    consent BOOLEAN NOT NULL,
    evidence TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (response_id, version)
);

-- All versions of an answer.
CREATE VIEW response_version AS
SELECT response_id, version, raw, comment, consent, evidence, created_at FROM response_past
UNION ALL
SELECT id, version_count, raw, comment, consent, evidence, answered_at FROM response;

-- Counts per survey, day and group. Rows with an empty tag count everything; a row with a tag counts what bears that tag.
-- With room on each page, for the same reason.
CREATE TABLE tally (
    survey_id UUID NOT NULL REFERENCES survey (id),
    tag TEXT NOT NULL,
    day INTEGER NOT NULL,
    agent TEXT NOT NULL,
    team TEXT NOT NULL,
    channel TEXT NOT NULL,
    touchpoint TEXT NOT NULL,
    locale TEXT NOT NULL,
    source TEXT NOT NULL,
    segment TEXT NOT NULL,
    product TEXT NOT NULL,
    n0 BIGINT NOT NULL,
    n1 BIGINT NOT NULL,
    n2 BIGINT NOT NULL,
    n3 BIGINT NOT NULL,
    n4 BIGINT NOT NULL,
    n5 BIGINT NOT NULL,
    n6 BIGINT NOT NULL,
    n7 BIGINT NOT NULL,
    n8 BIGINT NOT NULL,
    n9 BIGINT NOT NULL,
    n10 BIGINT NOT NULL,
    comment_count BIGINT NOT NULL,
    delivered_count BIGINT NOT NULL,
    answered_count BIGINT NOT NULL,
    PRIMARY KEY (survey_id, tag, day, agent, team, channel, touchpoint, locale, source, segment, product)
) WITH (fillfactor = 70);

-- Changes of counts that are not in their tallies yet, a list of cells for each batch of votes: adding to a tally for every batch took a fifth of
-- storing it, and nodes would wait for each other's rows. A cell is its survey, tag and day, its group in the order of the columns, and its counts.
CREATE TABLE tally_delta (
    id UUID NOT NULL PRIMARY KEY,
    cells TEXT NOT NULL
);

-- The cells of these lists. A cell may come several times; whoever reads adds up.
CREATE VIEW tally_kept (
    survey_id, tag, day, agent, team, channel, touchpoint, locale, source, segment, product, n0, n1, n2, n3, n4, n5, n6, n7, n8, n9, n10,
    comment_count, delivered_count, answered_count
) AS
SELECT
    CAST(cell ->> 0 AS UUID), cell ->> 1, CAST(cell ->> 2 AS INTEGER), cell -> 3 ->> 0, cell -> 3 ->> 1, cell -> 3 ->> 2, cell -> 3 ->> 3,
    cell -> 3 ->> 4, cell -> 3 ->> 5, cell -> 3 ->> 6, cell -> 3 ->> 7, CAST(cell -> 4 ->> 0 AS BIGINT), CAST(cell -> 4 ->> 1 AS BIGINT),
    CAST(cell -> 4 ->> 2 AS BIGINT), CAST(cell -> 4 ->> 3 AS BIGINT), CAST(cell -> 4 ->> 4 AS BIGINT), CAST(cell -> 4 ->> 5 AS BIGINT),
    CAST(cell -> 4 ->> 6 AS BIGINT), CAST(cell -> 4 ->> 7 AS BIGINT), CAST(cell -> 4 ->> 8 AS BIGINT), CAST(cell -> 4 ->> 9 AS BIGINT),
    CAST(cell -> 4 ->> 10 AS BIGINT), CAST(cell -> 4 ->> 11 AS BIGINT), CAST(cell -> 4 ->> 12 AS BIGINT), CAST(cell -> 4 ->> 13 AS BIGINT)
FROM tally_delta, jsonb_array_elements(CAST(cells AS JSONB)) AS cell;

-- The counts as they are.
CREATE VIEW tally_now AS
SELECT * FROM tally
UNION ALL
SELECT * FROM tally_kept;

-- Messages waiting to leave. `subject_id` names what the message is about; it is composed when it is sent.
CREATE TABLE outbox (
    id UUID NOT NULL PRIMARY KEY,
    carrier TEXT NOT NULL,
    kind TEXT NOT NULL,
    subject_id UUID NOT NULL,
    survey_id UUID,
    state TEXT NOT NULL,
    due_at BIGINT NOT NULL,
    attempt_count INTEGER NOT NULL,
    spent_count INTEGER NOT NULL,
    interrupted_count INTEGER NOT NULL,
    lease_token UUID,
    last_error TEXT,
    created_at BIGINT NOT NULL,
    settled_at BIGINT
);
CREATE INDEX outbox_due ON outbox (state, carrier, due_at);
CREATE INDEX outbox_subject ON outbox (subject_id);
CREATE INDEX outbox_survey ON outbox (survey_id, id);
CREATE INDEX outbox_settled ON outbox (settled_at) WHERE settled_at IS NOT NULL;

-- What was tried, and what the other side said.
CREATE TABLE outbox_attempt (
    outbox_id UUID NOT NULL REFERENCES outbox (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    reply TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    ended_at BIGINT NOT NULL,
    PRIMARY KEY (outbox_id, number)
);

-- Endpoints that are told what happens.
CREATE TABLE webhook (
    id UUID NOT NULL PRIMARY KEY,
    url TEXT NOT NULL,
    events TEXT NOT NULL,
    survey_id UUID REFERENCES survey (id),
    secret BYTEA NOT NULL,
    old_secret BYTEA,
    old_secret_until BIGINT,
    state TEXT NOT NULL,
    disabled_reason TEXT,
    event_count BIGINT NOT NULL,
    failing_since BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    deleted_at BIGINT
);

-- What happened, as far as an endpoint is told of it. What is said of it is read when it is said.
CREATE TABLE event (
    id UUID NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    survey_id UUID NOT NULL,
    subject_id UUID NOT NULL,
    version INTEGER NOT NULL,
    detail TEXT,
    created_at BIGINT NOT NULL
);
CREATE INDEX event_age ON event (created_at);
CREATE INDEX event_invitation ON event (subject_id) WHERE kind = 'invitation.created';

-- One event for one endpoint, numbered in the endpoint's order; the id is that of its message in the outbox.
CREATE TABLE webhook_delivery (
    id UUID NOT NULL PRIMARY KEY,
    webhook_id UUID NOT NULL,
    event_id UUID NOT NULL,
    number BIGINT NOT NULL
);
CREATE UNIQUE INDEX webhook_delivery_order ON webhook_delivery (webhook_id, number);
CREATE INDEX webhook_delivery_event ON webhook_delivery (event_id);

-- The last day of each survey that endpoints were told of.
CREATE TABLE daily_report (
    survey_id UUID NOT NULL PRIMARY KEY REFERENCES survey (id),
    day INTEGER NOT NULL
);

-- Words to the operator, each once.
CREATE TABLE notice (
    id UUID NOT NULL PRIMARY KEY,
    notice_key TEXT NOT NULL UNIQUE,
    title TEXT NOT NULL,
    text TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

-- Closings whose customer is looked up in the help desk before anything is decided.
CREATE TABLE lookup (
    id UUID NOT NULL PRIMARY KEY,
    survey_id UUID NOT NULL REFERENCES survey (id),
    source_id UUID NOT NULL REFERENCES source (id),
    event_id UUID NOT NULL,
    place INTEGER NOT NULL,
    closure_key TEXT NOT NULL,
    ticket_id TEXT,
    request_key TEXT,
    interaction TEXT NOT NULL,
    questions TEXT NOT NULL,
    reopened_at BIGINT,
    created_at BIGINT NOT NULL,
    UNIQUE (closure_key, survey_id)
);
CREATE INDEX lookup_ticket ON lookup (ticket_id, survey_id);

-- The first answer to a request that carried an Idempotency-Key.
CREATE TABLE idempotency (
    request_key TEXT NOT NULL PRIMARY KEY,
    body_hash BYTEA NOT NULL,
    interaction_id UUID NOT NULL REFERENCES interaction (id),
    created_at BIGINT NOT NULL
);

-- How far the import of a file got that was cut off; the file is known by its hash.
CREATE TABLE import (
    file BYTEA NOT NULL PRIMARY KEY,
    row_count BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
