//! The public report as a page, and the list of all reports. Everything is text; shapes repeat it, colour only decorates.

use std::borrow::Cow;
use std::collections::HashSet;

use chrono::NaiveDate;
use maud::{Markup, html};

use super::snapshot::Snapshot;
use super::{Entry, State};
use crate::i18n::Messages;
use crate::metric::rounding::whole;
use crate::metric::{self, Band, Histogram, Metric};
use crate::survey::Survey;
use crate::survey::wording::Wording;
use crate::web::color::Palette;
use crate::web::layout::{self, Frame};
use crate::web::still::Still;

/// The style of these pages, after the base.
const STYLE: &str = include_str!("../../templates/assets/happiness.css");

/// The report of a survey.
#[must_use]
pub fn report(survey: &Survey, snapshot: &Snapshot, messages: &'static Messages) -> Still {
    let title = messages.happiness_title(&snapshot.title);
    let frame =
        Frame { palette: Palette::of(&survey.brand.color), style: STYLE, indexed: true, ..Frame::plain(messages.locale(), &title, "") };
    let content = html! {
        main.card {
            p.eyebrow { (messages.happiness_eyebrow()) }
            h1 { bdi { (snapshot.title) } }
            @if snapshot.state == State::Published {
                (last(snapshot, messages))
                (scores(survey, snapshot, messages))
                (comments(snapshot, messages))
            } @else {
                p.headline { (messages.happiness_collecting(snapshot.n, snapshot.minimum)) }
                p { (messages.happiness_collecting_why()) }
            }
            (people(survey, snapshot, messages))
            (footer(survey, snapshot, messages))
        }
    };
    Still::page(&frame, layout::page(&frame, &content).into_string())
}

/// The newest votes: headline, interval in words, and a mark for each.
fn last(snapshot: &Snapshot, messages: &'static Messages) -> Markup {
    let votes = snapshot.listed();
    let span = snapshot.votes.last().zip(snapshot.votes.first());
    html! {
        p.headline { (headline(snapshot.metric, &votes, messages)) }
        p { (interval(snapshot.metric, &votes, messages)) }
        section aria-labelledby="last" {
            h2 #last { (messages.happiness_last(votes.n())) }
            @if let Some((oldest, newest)) = span {
                p.soft { (days(oldest.day.0, newest.day.0, messages)) " · " (messages.happiness_newest_first()) }
            }
            ol.marks role="list" {
                @for vote in &snapshot.votes { li.(snapshot.metric.band(vote.score).as_str()) { (messages.number(vote.score)) } }
            }
            (legend(snapshot.metric, &votes, messages))
        }
    }
}

/// What the shapes mean, with the number of each: the same in words.
fn legend(metric: Metric, votes: &Histogram, messages: &'static Messages) -> Markup {
    let bands = votes.bands(metric);
    html! {
        ul.legend role="list" {
            @for (band, count) in [(Band::High, bands.high), (Band::Middle, bands.middle), (Band::Low, bands.low)] {
                li { span class={ "mark " (band) } aria-hidden="true" {} (band_word(metric, band, messages)) " " b { (messages.number(count)) } }
            }
        }
    }
}

fn band_word(metric: Metric, band: Band, messages: &Messages) -> Cow<'static, str> {
    match (metric, band) {
        (Metric::Csat, Band::High) => messages.csat_4(),
        (Metric::Csat, Band::Middle) => messages.csat_3(),
        (Metric::Csat, Band::Low) => messages.csat_2(),
        (Metric::Ces, Band::High) => messages.effort_2(),
        (Metric::Ces, Band::Middle) => messages.effort_4(),
        (Metric::Ces, Band::Low) => messages.effort_6(),
        (Metric::Nps, Band::High) => messages.happiness_promoters(),
        (Metric::Nps, Band::Middle) => messages.happiness_passives(),
        (Metric::Nps, Band::Low) => messages.happiness_detractors(),
    }
}

fn headline(metric: Metric, votes: &Histogram, messages: &Messages) -> Cow<'static, str> {
    let high = votes.bands(metric).high;
    match metric {
        Metric::Csat => messages.happiness_csat_headline(high, votes.n()),
        Metric::Ces => messages.happiness_ces_headline(high, votes.n()),
        Metric::Nps => messages.happiness_nps_headline(metric::headline(metric, votes).map_or(0, whole)),
    }
}

/// The interval in words; nothing without a vote.
fn interval(metric: Metric, votes: &Histogram, messages: &Messages) -> Cow<'static, str> {
    let Some(interval) = metric::interval(metric, votes) else {
        return Cow::Borrowed("");
    };
    let (low, high) = (whole(interval.lower), whole(interval.upper));
    match metric {
        Metric::Csat | Metric::Ces => messages.happiness_share_interval(low, high),
        Metric::Nps => messages.happiness_nps_interval(low, high),
    }
}

/// All published votes by score, the best first.
fn scores(survey: &Survey, snapshot: &Snapshot, messages: &'static Messages) -> Markup {
    let votes = snapshot.published();
    let counts: Vec<(u8, u64)> = votes.counts(snapshot.metric).collect();
    let most = counts.iter().map(|(_, count)| *count).max().unwrap_or(0);
    html! {
        section aria-labelledby="scores" {
            h2 #scores { (messages.happiness_all(votes.n())) }
            p { (headline(snapshot.metric, &votes, messages)) ". " (interval(snapshot.metric, &votes, messages)) }
            table {
                caption.hidden { (messages.happiness_scores()) }
                thead.hidden { tr { th scope="col" { (messages.happiness_score()) } th scope="col" { (messages.happiness_votes()) } } }
                tbody {
                    @for (point, count) in counts.into_iter().rev() {
                        tr {
                            th scope="row" { b { (messages.number(point)) } @if let Some(word) = word(survey, point, messages) { " " (word) } }
                            td.count { (messages.number(count)) }
                            td.bar aria-hidden="true" { svg { rect width={ (metric::percentage(count, most).map_or(0, whole)) "%" } height="100%"; } }
                        }
                    }
                }
            }
        }
    }
}

/// The words of a point as it counts. On the reversed CES form customers saw the same words at the opposite point.
fn word(survey: &Survey, point: u8, messages: &'static Messages) -> Option<Cow<'static, str>> {
    let raw = survey.scale.counted(point);
    Wording::new(survey, messages).word(raw).map(|word| Cow::Owned(word.into_owned()))
}

fn comments(snapshot: &Snapshot, messages: &'static Messages) -> Markup {
    html! {
        @if !snapshot.comments.is_empty() {
            section aria-labelledby="comments" {
                h2 #comments { (messages.happiness_comments()) }
                @for comment in &snapshot.comments {
                    figure {
                        blockquote lang=(comment.locale) dir="auto" { (comment.text) }
                        figcaption.soft {
                            span class={ "mark " (snapshot.metric.band(comment.score)) } { (messages.number(comment.score)) }
                            " " time datetime=(comment.day.0) { bdi { (messages.date(comment.day.0)) } }
                        }
                    }
                }
                p.soft { (messages.happiness_comments_why()) }
            }
        }
    }
}

/// How many were asked, how they are chosen, and what counts.
fn people(survey: &Survey, snapshot: &Snapshot, messages: &'static Messages) -> Markup {
    let policy = &survey.policy;
    html! {
        section aria-labelledby="people" {
            h2 #people { (messages.happiness_people()) }
            @if let Some(rate) = snapshot.response_rate {
                p { (messages.happiness_response(snapshot.answered, snapshot.invited, &messages.percent(rate, 1))) }
            }
            ul {
                li { @if policy.sample_percent < 100 { (messages.happiness_sample(policy.sample_percent)) } @else { (messages.happiness_everybody()) } }
                @if policy.quiet_days > 0 { li { (messages.happiness_quiet(policy.quiet_days)) } }
                li { (messages.happiness_rules(survey.public.lot)) }
            }
        }
    }
}

fn footer(survey: &Survey, snapshot: &Snapshot, messages: &'static Messages) -> Markup {
    let updated = snapshot.updated_at.day_in(survey.timezone);
    html! {
        footer.soft {
            p {
                @if let Some(since) = snapshot.since { (messages.happiness_since(&messages.date(since.0))) " " }
                (messages.happiness_updated(&messages.date(updated)))
            }
            p { a href={ "/happiness/" (survey.slug) ".json" } { (messages.happiness_data()) } }
        }
    }
}

fn days(from: NaiveDate, to: NaiveDate, messages: &Messages) -> Markup {
    let (first, last) = (messages.date(from), messages.date(to));
    html! {
        @if from == to { bdi { (first) } } @else { (messages.happiness_span(&first, &last)) }
    }
}

/// The list of all public reports.
#[must_use]
pub fn list(entries: &[Entry], messages: &'static Messages) -> Still {
    let title = messages.happiness_list_title();
    let shared = shared_titles(entries);
    let frame = Frame { style: STYLE, indexed: true, ..Frame::plain(messages.locale(), &title, "") };
    let content = html! {
        main.card {
            h1 { (title) }
            @if entries.is_empty() {
                p { (messages.happiness_list_empty()) }
            } @else {
                p { (messages.happiness_list_text()) }
                ul.reports role="list" {
                    @for entry in entries {
                        li {
                            a.action href={ "/happiness/" (entry.slug) } { bdi { (entry.title) } }
                            // Two surveys of one company are told apart by what stands in their address anyway.
                            @if shared.contains(entry.title.as_str()) { " " bdi.soft { (entry.slug) } }
                        }
                    }
                }
            }
        }
    };
    Still::page(&frame, layout::page(&frame, &content).into_string())
}

/// The titles that more than one report has.
fn shared_titles(entries: &[Entry]) -> HashSet<&str> {
    let mut seen = HashSet::new();
    entries.iter().map(|entry| entry.title.as_str()).filter(|title| !seen.insert(*title)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::i18n::Locale;

    #[test]
    fn reports_of_one_title_are_told_apart() {
        let entry = |slug: &str, title: &str| Entry { slug: slug.to_owned(), title: title.to_owned(), locale: Locale::En };
        let entries = [entry("support", "Acme"), entry("sales", "Acme"), entry("other", "Globex")];
        assert_eq!(shared_titles(&entries), HashSet::from(["Acme"]));
        assert_eq!(shared_titles(&entries[1..]), HashSet::new());
    }
}
