-- Instants are epoch milliseconds, days are days since 1970-01-01, ids are UUIDs of version 7. Words are TEXT, lists and objects are JSON.

CREATE TABLE survey (
    id BLOB NOT NULL PRIMARY KEY,
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
    archived_at INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

-- HTTP APIs that carry messages, named in `survey.deliver`. Each secret is sealed on its own, so that their names can be shown.
CREATE TABLE gateway (
    name TEXT NOT NULL PRIMARY KEY,
    preset TEXT,
    definition TEXT NOT NULL,
    secrets TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    deleted_at INTEGER
) STRICT;

CREATE TABLE api_key (
    id BLOB NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    scope TEXT NOT NULL,
    hash BLOB NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;

CREATE TABLE source (
    id BLOB NOT NULL PRIMARY KEY,
    survey_id BLOB NOT NULL REFERENCES survey (id),
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    secret BLOB NOT NULL,
    options TEXT NOT NULL,
    api_token BLOB,
    created_at INTEGER NOT NULL,
    deleted_at INTEGER
) STRICT;

-- Who a customer is: the only table with addresses. `identity` is a keyed hash, so that erasing the rest leaves nothing to read.
CREATE TABLE customer (
    id BLOB NOT NULL PRIMARY KEY,
    identity TEXT NOT NULL UNIQUE,
    email TEXT,
    phone TEXT,
    name TEXT,
    ref TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX customer_ref ON customer (ref);

-- Whom no message reaches, by keyed hash.
CREATE TABLE suppression (
    identity TEXT NOT NULL PRIMARY KEY,
    reason TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX suppression_order ON suppression (created_at, identity);

-- The latest name of an agent; everything else refers to the agent by key.
CREATE TABLE agent (
    agent_key TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

-- What happened, frozen as it was, with the decision: exactly one for each interaction.
CREATE TABLE interaction (
    id BLOB NOT NULL PRIMARY KEY,
    survey_id BLOB NOT NULL REFERENCES survey (id),
    source_id BLOB REFERENCES source (id),
    closure_key TEXT NOT NULL,
    customer_id BLOB REFERENCES customer (id),
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
    until_at INTEGER,
    explanation TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (closure_key, survey_id)
) STRICT;
CREATE INDEX interaction_ticket ON interaction (ticket_id, survey_id);
CREATE INDEX interaction_customer ON interaction (customer_id, id);
CREATE INDEX interaction_survey ON interaction (survey_id, id);

-- What arrived at a source and became of it; the body is kept only where it could not be read.
CREATE TABLE source_event (
    id BLOB NOT NULL PRIMARY KEY,
    source_id BLOB NOT NULL REFERENCES source (id),
    delivery_key TEXT,
    outcome TEXT NOT NULL,
    answer TEXT NOT NULL,
    problem TEXT,
    body BLOB,
    created_at INTEGER NOT NULL,
    UNIQUE (delivery_key, source_id)
) STRICT;
CREATE INDEX source_event_age ON source_event (created_at);
CREATE INDEX source_event_order ON source_event (source_id, id);

CREATE TABLE invitation (
    id BLOB NOT NULL PRIMARY KEY,
    survey_id BLOB NOT NULL REFERENCES survey (id),
    interaction_id BLOB NOT NULL UNIQUE REFERENCES interaction (id),
    customer_id BLOB REFERENCES customer (id),
    metric TEXT NOT NULL,
    state TEXT NOT NULL,
    locale TEXT,
    timezone TEXT,
    channel TEXT,
    expires_at INTEGER NOT NULL,
    sent_at INTEGER,
    sent_day INTEGER,
    unconfirmed_score INTEGER,
    unconfirmed_at INTEGER,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX invitation_customer ON invitation (customer_id, created_at);

-- What became of an invitation where no column tells: rare events only.
CREATE TABLE invitation_event (
    id BLOB NOT NULL PRIMARY KEY,
    invitation_id BLOB NOT NULL REFERENCES invitation (id),
    event TEXT NOT NULL,
    detail TEXT,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX invitation_event_order ON invitation_event (invitation_id, created_at);

-- Messages that came back: what was reported of each, once. `identity` is whom soft ones count against.
CREATE TABLE bounce (
    id BLOB NOT NULL PRIMARY KEY,
    message_key TEXT NOT NULL UNIQUE,
    invitation_id BLOB REFERENCES invitation (id),
    identity TEXT,
    kind TEXT NOT NULL,
    status TEXT,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX bounce_identity ON bounce (identity, kind);
CREATE INDEX bounce_age ON bounce (created_at);

-- Whoever stores a response has just read its invitation, with survey and interaction, and holds its lock; looking again costs PostgreSQL
-- more than storing the row.
CREATE TABLE response (
    id BLOB NOT NULL PRIMARY KEY,
    survey_id BLOB NOT NULL,
    interaction_id BLOB NOT NULL,
    invitation_id BLOB UNIQUE,
    raw INTEGER NOT NULL,
    score INTEGER NOT NULL,
    comment TEXT,
    consent INTEGER NOT NULL,
    locale TEXT NOT NULL,
    via TEXT NOT NULL,
    evidence TEXT NOT NULL,
    status TEXT NOT NULL,
    published INTEGER NOT NULL,
    excluded TEXT,
    day INTEGER NOT NULL,
    version_count INTEGER NOT NULL,
    form_at INTEGER,
    first_answered_at INTEGER NOT NULL,
    answered_at INTEGER NOT NULL
) STRICT;
CREATE INDEX response_order ON response (survey_id, first_answered_at, id);

-- Versions of an answer before the one that it is at.
CREATE TABLE response_past (
    response_id BLOB NOT NULL,
    version INTEGER NOT NULL,
    raw INTEGER NOT NULL,
    comment TEXT,
    consent INTEGER NOT NULL,
    evidence TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (response_id, version)
) STRICT, WITHOUT ROWID;

-- All versions of an answer.
CREATE VIEW response_version AS
SELECT response_id, version, raw, comment, consent, evidence, created_at FROM response_past
UNION ALL
SELECT id, version_count, raw, comment, consent, evidence, answered_at FROM response;

-- Counts per survey, day and group. Rows with an empty tag count everything; a row with a tag counts what bears that tag.
CREATE TABLE tally (
    survey_id BLOB NOT NULL REFERENCES survey (id),
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
    n0 INTEGER NOT NULL,
    n1 INTEGER NOT NULL,
    n2 INTEGER NOT NULL,
    n3 INTEGER NOT NULL,
    n4 INTEGER NOT NULL,
    n5 INTEGER NOT NULL,
    n6 INTEGER NOT NULL,
    n7 INTEGER NOT NULL,
    n8 INTEGER NOT NULL,
    n9 INTEGER NOT NULL,
    n10 INTEGER NOT NULL,
    comment_count INTEGER NOT NULL,
    delivered_count INTEGER NOT NULL,
    answered_count INTEGER NOT NULL,
    PRIMARY KEY (survey_id, tag, day, agent, team, channel, touchpoint, locale, source, segment, product)
) STRICT, WITHOUT ROWID;

-- Changes of counts that are not in their tallies yet, a list of cells for each batch of votes: adding to a tally for every batch took a fifth of
-- storing it, and nodes would wait for each other's rows. A cell is its survey, tag and day, its group in the order of the columns, and its counts.
CREATE TABLE tally_delta (
    id BLOB NOT NULL PRIMARY KEY,
    cells TEXT NOT NULL
) STRICT;

-- The cells of these lists. A cell may come several times; whoever reads adds up.
CREATE VIEW tally_kept (
    survey_id, tag, day, agent, team, channel, touchpoint, locale, source, segment, product, n0, n1, n2, n3, n4, n5, n6, n7, n8, n9, n10,
    comment_count, delivered_count, answered_count
) AS
SELECT
    unhex(cell.value ->> 0, '-'), cell.value ->> 1, cell.value ->> 2, cell.value ->> '$[3][0]', cell.value ->> '$[3][1]',
    cell.value ->> '$[3][2]', cell.value ->> '$[3][3]', cell.value ->> '$[3][4]', cell.value ->> '$[3][5]', cell.value ->> '$[3][6]',
    cell.value ->> '$[3][7]', cell.value ->> '$[4][0]', cell.value ->> '$[4][1]', cell.value ->> '$[4][2]', cell.value ->> '$[4][3]',
    cell.value ->> '$[4][4]', cell.value ->> '$[4][5]', cell.value ->> '$[4][6]', cell.value ->> '$[4][7]', cell.value ->> '$[4][8]',
    cell.value ->> '$[4][9]', cell.value ->> '$[4][10]', cell.value ->> '$[4][11]', cell.value ->> '$[4][12]', cell.value ->> '$[4][13]'
FROM tally_delta, jsonb_each(tally_delta.cells) AS cell;

-- The counts as they are.
CREATE VIEW tally_now AS
SELECT * FROM tally
UNION ALL
SELECT * FROM tally_kept;

-- Messages waiting to leave. `subject_id` names what the message is about; it is composed when it is sent.
CREATE TABLE outbox (
    id BLOB NOT NULL PRIMARY KEY,
    carrier TEXT NOT NULL,
    kind TEXT NOT NULL,
    subject_id BLOB NOT NULL,
    survey_id BLOB,
    state TEXT NOT NULL,
    due_at INTEGER NOT NULL,
    attempt_count INTEGER NOT NULL,
    spent_count INTEGER NOT NULL,
    interrupted_count INTEGER NOT NULL,
    lease_token BLOB,
    last_error TEXT,
    created_at INTEGER NOT NULL,
    settled_at INTEGER
) STRICT;
CREATE INDEX outbox_due ON outbox (state, carrier, due_at);
CREATE INDEX outbox_subject ON outbox (subject_id);
CREATE INDEX outbox_survey ON outbox (survey_id, id);
CREATE INDEX outbox_settled ON outbox (settled_at) WHERE settled_at IS NOT NULL;

-- What was tried, and what the other side said.
CREATE TABLE outbox_attempt (
    outbox_id BLOB NOT NULL REFERENCES outbox (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    reply TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at INTEGER NOT NULL,
    PRIMARY KEY (outbox_id, number)
) STRICT, WITHOUT ROWID;

-- Endpoints that are told what happens.
CREATE TABLE webhook (
    id BLOB NOT NULL PRIMARY KEY,
    url TEXT NOT NULL,
    events TEXT NOT NULL,
    survey_id BLOB REFERENCES survey (id),
    secret BLOB NOT NULL,
    old_secret BLOB,
    old_secret_until INTEGER,
    state TEXT NOT NULL,
    disabled_reason TEXT,
    event_count INTEGER NOT NULL,
    failing_since INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    deleted_at INTEGER
) STRICT;

-- What happened, as far as an endpoint is told of it. What is said of it is read when it is said.
CREATE TABLE event (
    id BLOB NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    survey_id BLOB NOT NULL,
    subject_id BLOB NOT NULL,
    version INTEGER NOT NULL,
    detail TEXT,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX event_age ON event (created_at);
CREATE INDEX event_invitation ON event (subject_id) WHERE kind = 'invitation.created';

-- One event for one endpoint, numbered in the endpoint's order; the id is that of its message in the outbox.
CREATE TABLE webhook_delivery (
    id BLOB NOT NULL PRIMARY KEY,
    webhook_id BLOB NOT NULL,
    event_id BLOB NOT NULL,
    number INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX webhook_delivery_order ON webhook_delivery (webhook_id, number);
CREATE INDEX webhook_delivery_event ON webhook_delivery (event_id);

-- The last day of each survey that endpoints were told of.
CREATE TABLE daily_report (
    survey_id BLOB NOT NULL PRIMARY KEY REFERENCES survey (id),
    day INTEGER NOT NULL
) STRICT;

-- Words to the operator, each once.
CREATE TABLE notice (
    id BLOB NOT NULL PRIMARY KEY,
    notice_key TEXT NOT NULL UNIQUE,
    title TEXT NOT NULL,
    text TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

-- Closings whose customer is looked up in the help desk before anything is decided.
CREATE TABLE lookup (
    id BLOB NOT NULL PRIMARY KEY,
    survey_id BLOB NOT NULL REFERENCES survey (id),
    source_id BLOB NOT NULL REFERENCES source (id),
    event_id BLOB NOT NULL,
    place INTEGER NOT NULL,
    closure_key TEXT NOT NULL,
    ticket_id TEXT,
    request_key TEXT,
    interaction TEXT NOT NULL,
    questions TEXT NOT NULL,
    reopened_at INTEGER,
    created_at INTEGER NOT NULL,
    UNIQUE (closure_key, survey_id)
) STRICT;
CREATE INDEX lookup_ticket ON lookup (ticket_id, survey_id);

-- The first answer to a request that carried an Idempotency-Key.
CREATE TABLE idempotency (
    request_key TEXT NOT NULL PRIMARY KEY,
    body_hash BLOB NOT NULL,
    interaction_id BLOB NOT NULL REFERENCES interaction (id),
    created_at INTEGER NOT NULL
) STRICT;

-- How far the import of a file got that was cut off; the file is known by its hash.
CREATE TABLE import (
    file BLOB NOT NULL PRIMARY KEY,
    row_count INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
