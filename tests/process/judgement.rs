//! Whether a history of messages, faults and kills is one in which nothing was lost. It knows neither mail nor HTTP.

use std::collections::{BTreeMap, BTreeSet};

use crate::ledger::Receipt;

/// What the service says became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It says that the peer has it.
    Sent,
    /// It lists it as failed.
    Failed,
    /// It says that the message is no longer wanted.
    Withheld,
    /// It has not come to an end.
    Open,
}

/// A message that the service took on.
#[derive(Debug, Clone)]
pub struct Message {
    /// Whom it is for, as in receipts.
    pub name: String,
    /// The only id that it may carry.
    pub id: String,
    /// What the service says of it at the end.
    pub ended: Ended,
}

/// Everything that is judged.
#[derive(Debug, Clone)]
pub struct History {
    /// The messages that the service took on.
    pub messages: Vec<Message>,
    /// The copies that the peer keeps, in order.
    pub receipts: Vec<Receipt>,
    /// Whom a message was refused for, for good.
    pub refused: BTreeSet<String>,
    /// Whom messages are suppressed for, with the round in which the service said so.
    pub suppressed: BTreeMap<String, usize>,
    /// Messages that can be under way when the service is killed.
    pub at_once: usize,
}

/// What is wrong with a history; empty where nothing is.
pub fn complaints(history: &History) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut copies: BTreeMap<&str, Vec<&Receipt>> = BTreeMap::new();
    for receipt in &history.receipts {
        copies.entry(&receipt.name).or_default().push(receipt);
    }
    for message in &history.messages {
        let own = copies.remove(message.name.as_str()).unwrap_or_default();
        wrong.extend(
            own.iter().filter(|receipt| receipt.id != message.id).map(|receipt| format!("{} came as {}", message.name, receipt.id)),
        );
        let (is_refused, is_suppressed) = (history.refused.contains(&message.name), history.suppressed.contains_key(&message.name));
        let is_right = match message.ended {
            Ended::Sent => !own.is_empty(),
            // A copy that nobody was told of may have come before the last attempt failed.
            Ended::Failed => is_refused || own.iter().all(|receipt| !receipt.is_acknowledged),
            Ended::Withheld => is_suppressed,
            Ended::Open => false,
        };
        if !is_right {
            wrong.push(format!(
                "{} ended as {:?} after {} copies, refused: {is_refused}, suppressed: {is_suppressed}",
                message.name,
                message.ended,
                own.len()
            ));
        }
        wrong.extend(late(message, &own, history.suppressed.get(&message.name).copied()));
    }
    wrong.extend(copies.keys().map(|stranger| format!("{stranger} got a message that nobody asked for")));
    wrong.extend(repeated(history));
    wrong
}

/// Whoever was suppressed before the service was killed can have nothing from it afterwards: no claim outlives a process.
fn late(message: &Message, own: &[&Receipt], suppressed: Option<usize>) -> Vec<String> {
    let is_late = |receipt: &&&Receipt| suppressed.is_some_and(|round| receipt.round > round);
    own.iter().filter(is_late).map(|receipt| format!("{} was suppressed and got a copy in round {}", message.name, receipt.round)).collect()
}

/// A copy may be followed by another where nobody was told of it, or where the service was killed in between: at most as many a kill as can be
/// under way.
fn repeated(history: &History) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut in_flight: BTreeMap<usize, usize> = BTreeMap::new();
    for (place, receipt) in history.receipts.iter().enumerate().filter(|(_, receipt)| receipt.is_acknowledged) {
        let rest = history.receipts.get(place + 1..).unwrap_or_default();
        match rest.iter().find(|other| other.name == receipt.name) {
            Some(next) if next.round == receipt.round => {
                wrong.push(format!("{} came twice in round {}, though it was acknowledged", receipt.name, receipt.round));
            }
            Some(_) => *in_flight.entry(receipt.round).or_default() += 1,
            None => {}
        }
    }
    let too_many = in_flight.into_iter().filter(|(_, count)| *count > history.at_once);
    wrong.extend(
        too_many.map(|(round, count)| {
            format!("{count} acknowledged messages of round {round} came again, {} can be under way", history.at_once)
        }),
    );
    wrong
}

/// The harness judges by the functions above; here they are given histories that are wrong in one way each.
mod doctored {
    use super::*;

    fn receipt(name: &str, round: usize, is_acknowledged: bool) -> Receipt {
        Receipt { name: name.to_owned(), id: format!("<{name}>"), round, is_acknowledged }
    }

    fn message(name: &str, ended: Ended) -> Message {
        Message { name: name.to_owned(), id: format!("<{name}>"), ended }
    }

    /// One message of each fate; nothing is wrong.
    fn good() -> History {
        History {
            messages: vec![
                message("sent", Ended::Sent),
                message("doubted", Ended::Sent),
                message("killed", Ended::Sent),
                message("refused", Ended::Failed),
                message("exhausted", Ended::Failed),
                message("suppressed", Ended::Withheld),
            ],
            receipts: vec![
                receipt("sent", 0, true),
                receipt("doubted", 0, false),
                receipt("doubted", 0, false),
                receipt("doubted", 0, true),
                receipt("killed", 1, true),
                receipt("killed", 2, true),
                receipt("exhausted", 2, false),
                receipt("suppressed", 1, false),
            ],
            refused: BTreeSet::from(["refused".to_owned()]),
            suppressed: BTreeMap::from([("suppressed".to_owned(), 1)]),
            at_once: 1,
        }
    }

    fn complaint(doctor: impl FnOnce(&mut History)) -> String {
        let mut history = good();
        doctor(&mut history);
        complaints(&history).join("; ")
    }

    #[test]
    fn a_history_in_which_nothing_was_lost_is_right() {
        assert_eq!(complaints(&good()), [""; 0]);
    }

    #[test]
    fn every_way_to_lose_or_repeat_a_message_is_noticed() {
        assert!(
            complaint(|history| history.receipts.retain(|receipt| receipt.name != "sent")).contains("sent ended as Sent after 0 copies")
        );
        assert!(complaint(|history| history.messages[0].ended = Ended::Open).contains("sent ended as Open"));
        assert!(complaint(|history| history.messages[0].ended = Ended::Failed).contains("sent ended as Failed"));
        assert!(complaint(|history| history.messages[0].ended = Ended::Withheld).contains("sent ended as Withheld"));
        assert!(complaint(|history| history.receipts[3].id = "<other>".to_owned()).contains("doubted came as <other>"));
        assert!(complaint(|history| history.receipts.push(receipt("sent", 0, true))).contains("sent came twice in round 0"));
        assert!(complaint(|history| history.receipts.push(receipt("stranger", 0, true))).contains("nobody asked for"));
        assert!(complaint(|history| history.receipts.push(receipt("suppressed", 2, false))).contains("was suppressed and got a copy"));
        let one_more = complaint(|history| {
            history.messages.push(message("another", Ended::Sent));
            history.receipts.extend([receipt("another", 1, true), receipt("another", 2, true)]);
        });
        assert!(one_more.contains("2 acknowledged messages of round 1 came again, 1 can be under way"), "{one_more}");
    }
}
