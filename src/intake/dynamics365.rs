//! Dynamics 365: Dataverse webhooks on cases (messages `Update` and `Close`) and flows of Power Automate with a body of our own shape. Pure.

use serde_json::Value;

use super::lookup::{fill, segment};
use super::reading::{self, Unreadable, at, text};
use super::{Agent, Customer, Event, Interaction, LONGEST_ID, Ticket, instant, tidy_text};
use crate::clock::Timestamp;

/// `statecode` of a case: active, resolved.
const ACTIVE: i64 = 0;
const RESOLVED: i64 = 1;

/// A step of the plug-in registration, or a flow.
///
/// # Errors
/// When it says not which message it is, or a case has no id.
pub fn read(body: &Value) -> Result<Event, Unreadable> {
    if body.get("event").is_some() {
        return reading::event(body);
    }
    let message = text(body, "/MessageName").ok_or(Unreadable::Field("MessageName"))?;
    if text(body, "/PrimaryEntityName").is_some_and(|entity| entity != "incident") {
        return Ok(Event::Other);
    }
    match message.as_str() {
        "Update" => update(body),
        "Close" => close(body),
        _ => Ok(Event::Other),
    }
}

/// A case that was changed: the image after the change where one is registered, else only what changed.
fn update(body: &Value) -> Result<Event, Unreadable> {
    let target = named(body.get("InputParameters"), "Target");
    let image = body.pointer("/PostEntityImages/0/value");
    let case = Case { image, target };
    // The image holds the state of every case; only a change of it is a closing.
    let changed = case.target.and_then(|target| attribute(target, "statecode")).and_then(option);
    let id = id(text(body, "/PrimaryEntityId").or_else(|| case.text("incidentid")))?;
    match changed {
        Some(RESOLVED) => Ok(Event::Closed(Box::new(case.interaction(id, at(body, "/OperationCreatedOn"))))),
        Some(ACTIVE) => Ok(Event::Reopened { ticket: id }),
        _ => Ok(Event::Other),
    }
}

/// A case that was closed by its own message, which names it and nothing more.
fn close(body: &Value) -> Result<Event, Unreadable> {
    let resolution = named(body.get("InputParameters"), "IncidentResolution").ok_or(Unreadable::Field("InputParameters"))?;
    let case = attribute(resolution, "incidentid");
    let id = id(case.and_then(|case| text(case, "/Id")).or_else(|| text(body, "/PrimaryEntityId")))?;
    let ticket = Ticket { id: Some(id), closed_at: at(body, "/OperationCreatedOn"), ..Ticket::default() };
    Ok(Event::Closed(Box::new(Interaction { ticket, ..Interaction::default() })))
}

/// What a case is asked for, with its contact or customer and its owner.
const COLUMNS: &str = "$select=title,createdon,caseorigincode,emailaddress&$expand=primarycontactid($select=fullname,emailaddress1,telephone1,mobilephone),\
    customerid_contact($select=fullname,emailaddress1,telephone1,mobilephone),customerid_account($select=name,emailaddress1,telephone1),\
    owninguser($select=fullname,internalemailaddress),owningteam($select=name)";

/// The case in the Web API of Dataverse.
#[must_use]
pub fn questions(read: &Interaction) -> Vec<String> {
    let id = read.ticket.id.as_deref().and_then(segment);
    id.map(|id| format!("/api/data/v9.2/incidents({id})?{COLUMNS}")).into_iter().collect()
}

/// Completes a case.
pub fn learn(interaction: &mut Interaction, answer: &Value) {
    let person = |fields: &[&str]| {
        let pointers = ["primarycontactid", "customerid_contact", "customerid_account"]
            .iter()
            .flat_map(|of| fields.iter().map(move |field| format!("/{of}/{field}")));
        pointers.into_iter().find_map(|pointer| text(answer, &pointer))
    };
    let (customer, agent) = (&mut interaction.customer, &mut interaction.agent);
    fill(&mut customer.email, text(answer, "/emailaddress").or_else(|| person(&["emailaddress1"])));
    fill(&mut customer.name, person(&["fullname", "name"]));
    fill(&mut customer.phone, person(&["mobilephone", "telephone1"]));
    fill(&mut customer.reference, person(&["contactid", "accountid"]));
    fill(&mut agent.id, text(answer, "/owninguser/systemuserid"));
    fill(&mut agent.name, text(answer, "/owninguser/fullname"));
    fill(&mut agent.email, text(answer, "/owninguser/internalemailaddress"));
    fill(&mut interaction.team, text(answer, "/owningteam/name"));
    fill(&mut interaction.channel, text(answer, "/caseorigincode"));
    fill(&mut interaction.ticket.subject, text(answer, "/title"));
    fill(&mut interaction.ticket.opened_at, at(answer, "/createdon"));
}

fn id(mut id: Option<String>) -> Result<String, Unreadable> {
    tidy_text(&mut id, LONGEST_ID);
    id.ok_or(Unreadable::Field("PrimaryEntityId"))
}

/// A case as far as it was sent.
struct Case<'a> {
    image: Option<&'a Value>,
    target: Option<&'a Value>,
}

impl Case<'_> {
    fn find(&self, name: &str) -> Option<&Value> {
        [self.image, self.target].into_iter().flatten().find_map(|entity| attribute(entity, name))
    }

    /// A text, or the number of an option.
    fn text(&self, name: &str) -> Option<String> {
        let value = self.find(name)?;
        text(value, "").or_else(|| text(value, "/Value"))
    }

    fn at(&self, name: &str) -> Option<Timestamp> {
        self.find(name).and_then(instant::read)
    }

    fn of_reference(&self, name: &str, field: &str) -> Option<String> {
        text(self.find(name)?, field)
    }

    fn interaction(&self, id: String, now: Option<Timestamp>) -> Interaction {
        Interaction {
            ticket: Ticket {
                id: Some(id),
                subject: self.text("title"),
                opened_at: self.at("createdon"),
                closed_at: self.at("modifiedon").or(now),
                ..Ticket::default()
            },
            customer: Customer {
                email: self.text("emailaddress"),
                name: self.of_reference("primarycontactid", "/Name").or_else(|| self.of_reference("customerid", "/Name")),
                reference: self.of_reference("primarycontactid", "/Id").or_else(|| self.of_reference("customerid", "/Id")),
                ..Customer::default()
            },
            agent: Agent { id: self.of_reference("ownerid", "/Id"), name: self.of_reference("ownerid", "/Name"), email: None },
            channel: self.text("caseorigincode"),
            ..Interaction::default()
        }
    }
}

/// Lists of keys and values are how Dataverse writes objects.
fn named<'a>(list: Option<&'a Value>, key: &str) -> Option<&'a Value> {
    let pairs = list.and_then(Value::as_array)?;
    pairs.iter().find(|pair| text(pair, "/key").as_deref() == Some(key))?.get("value")
}

fn attribute<'a>(entity: &'a Value, name: &str) -> Option<&'a Value> {
    named(entity.get("Attributes"), name)
}

fn option(value: &Value) -> Option<i64> {
    value.get("Value").unwrap_or(value).as_i64()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn update_of(attributes: &Value) -> Value {
        let parameters = json!([{"key": "Target", "value": {"Attributes": attributes}}]);
        let image = json!([{"key": "PostImage", "value": {"Attributes": [{"key": "statecode", "value": {"Value": 1}}]}}]);
        json!({"MessageName": "Update", "PrimaryEntityName": "incident", "PrimaryEntityId": "c", "InputParameters": parameters, "PostEntityImages": image})
    }

    #[test]
    fn only_a_change_of_the_state_closes_or_opens_a_case() {
        let state = |code: i64| json!([{"key": "statecode", "value": {"Value": code}}]);
        assert!(matches!(read(&update_of(&state(1))), Ok(Event::Closed(_))));
        assert_eq!(read(&update_of(&state(0))), Ok(Event::Reopened { ticket: "c".to_owned() }));
        assert_eq!(read(&update_of(&state(2))), Ok(Event::Other));
        assert_eq!(read(&update_of(&json!([{"key": "title", "value": "x"}]))), Ok(Event::Other));
        assert_eq!(read(&json!({"MessageName": "Update", "PrimaryEntityName": "account"})), Ok(Event::Other));
    }

    #[test]
    fn the_message_close_names_its_case() {
        let resolution = json!({"Attributes": [{"key": "incidentid", "value": {"Id": "c-1", "LogicalName": "incident"}}]});
        let body = json!({"MessageName": "Close", "PrimaryEntityName": "incident", "OperationCreatedOn": "/Date(1768472999000-0700)/",
            "InputParameters": [{"key": "IncidentResolution", "value": resolution}, {"key": "Status", "value": {"Value": 5}}]});
        let Event::Closed(closed) = read(&body).unwrap() else { panic!("not closed") };
        assert_eq!((closed.ticket.id.as_deref(), closed.ticket.closed_at.map(Timestamp::as_seconds)), (Some("c-1"), Some(1_768_472_999)));
    }
}
