//! What a schema says, for reading: the fields of a body and the words of a type. Pure.

use utoipa::openapi::schema::{AdditionalProperties, ArrayItems, Components, Object, Schema, SchemaFormat, SchemaType, Type};
use utoipa::openapi::{Ref, RefOr};

/// One field of an object.
#[derive(Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its type, in words.
    pub words: Vec<Word>,
    /// Whether it must be there.
    pub required: bool,
    /// What it means, with code between backticks.
    pub description: String,
}

/// A part of a type.
#[derive(Debug, PartialEq, Eq)]
pub enum Word {
    /// Plain words.
    Text(String),
    /// A value as it is written.
    Value(String),
    /// The name of an object that is described elsewhere.
    Object(String),
}

/// The fields of an object, or of the objects in a list.
#[must_use]
pub fn fields(schema: &RefOr<Schema>, components: &Components) -> Vec<Field> {
    match schema {
        RefOr::Ref(reference) => components.schemas.get(name(reference)).map_or_else(Vec::new, |schema| fields(schema, components)),
        RefOr::T(Schema::Object(object)) => of_object(object),
        RefOr::T(Schema::Array(array)) => match &array.items {
            ArrayItems::RefOrSchema(items) => fields(items, components),
            ArrayItems::False => Vec::new(),
        },
        RefOr::T(schema) => parts(schema).iter().flat_map(|part| fields(part, components)).collect(),
    }
}

fn of_object(object: &Object) -> Vec<Field> {
    let field = |(name, schema): (&String, &RefOr<Schema>)| Field {
        name: name.clone(),
        words: words(schema),
        required: object.required.contains(name),
        description: description(schema).to_owned(),
    };
    object.properties.iter().map(field).collect()
}

/// The schemas that a schema is put together from; none for an object or a list.
fn parts(schema: &Schema) -> &[RefOr<Schema>] {
    match schema {
        Schema::OneOf(one) => &one.items,
        Schema::AllOf(all) => &all.items,
        Schema::AnyOf(any) => &any.items,
        _ => &[],
    }
}

fn name(reference: &Ref) -> &str {
    reference.ref_location.rsplit('/').next().unwrap_or_default()
}

/// What a schema is said to mean.
#[must_use]
pub fn description(schema: &RefOr<Schema>) -> &str {
    let text = match schema {
        RefOr::Ref(reference) => return &reference.description,
        RefOr::T(Schema::Object(object)) => &object.description,
        RefOr::T(Schema::Array(array)) => &array.description,
        RefOr::T(Schema::OneOf(one)) => &one.description,
        RefOr::T(Schema::AllOf(all)) => &all.description,
        RefOr::T(Schema::AnyOf(any)) => &any.description,
        RefOr::T(_) => &None,
    };
    text.as_deref().unwrap_or_default()
}

/// A type in words: `list of Survey or null`.
#[must_use]
pub fn words(schema: &RefOr<Schema>) -> Vec<Word> {
    match schema {
        RefOr::Ref(reference) => vec![Word::Object(name(reference).to_owned())],
        RefOr::T(Schema::Object(object)) => words_of_object(object),
        RefOr::T(Schema::Array(array)) => {
            let mut words = vec![text("list")];
            if let ArrayItems::RefOrSchema(items) = &array.items {
                words.push(text(" of "));
                words.extend(self::words(items));
            }
            words.extend(or_null(&array.schema_type));
            words
        }
        RefOr::T(schema) => {
            let between = if matches!(schema, Schema::AllOf(_)) { " and " } else { " or " };
            let mut words = Vec::new();
            // null, where it is possible, is said last
            let (null, other): (Vec<_>, Vec<_>) = parts(schema).iter().map(self::words).partition(|words| *words == [text("null")]);
            for part in other.into_iter().chain(null) {
                if !words.is_empty() {
                    words.push(text(between));
                }
                words.extend(part);
            }
            words
        }
    }
}

fn words_of_object(object: &Object) -> Vec<Word> {
    let mut words = Vec::new();
    if let Some(values) = &object.enum_values {
        for value in values {
            if !words.is_empty() {
                words.push(text(" | "));
            }
            words.push(Word::Value(value.as_str().map_or_else(|| value.to_string(), str::to_owned)));
        }
    } else {
        let format = object.format.as_ref().and_then(readable);
        words.push(text(&format.unwrap_or_else(|| kind(&object.schema_type).to_owned())));
        if let Some(AdditionalProperties::RefOr(values)) = object.additional_properties.as_deref() {
            words.push(text(" of "));
            words.extend(self::words(values));
        }
    }
    words.extend(or_null(&object.schema_type));
    words
}

/// The format where it says more than the type: an instant, a day, a UUID.
fn readable(format: &SchemaFormat) -> Option<String> {
    let format = serde_json::to_value(format).ok()?;
    match format.as_str()? {
        "date-time" => Some("instant".to_owned()),
        "date" => Some("day".to_owned()),
        "uuid" => Some("UUID".to_owned()),
        _ => None,
    }
}

fn kind(schema_type: &SchemaType) -> &'static str {
    let kind = match schema_type {
        SchemaType::Type(kind) => Some(kind),
        SchemaType::Array(kinds) => kinds.iter().find(|kind| **kind != Type::Null),
        SchemaType::AnyValue => return "anything",
    };
    match kind {
        Some(Type::Object) => "object",
        Some(Type::String) => "text",
        Some(Type::Integer) => "whole number",
        Some(Type::Number) => "number",
        Some(Type::Boolean) => "true | false",
        Some(Type::Array) => "list",
        Some(Type::Null) | None => "null",
    }
}

fn or_null(schema_type: &SchemaType) -> Option<Word> {
    let nullable = matches!(schema_type, SchemaType::Array(kinds) if kinds.contains(&Type::Null));
    nullable.then(|| text(" or null"))
}

fn text(words: &str) -> Word {
    Word::Text(words.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn schema(json: Value) -> RefOr<Schema> {
        serde_json::from_value(json).unwrap()
    }

    fn said(json: Value) -> String {
        let word = |word| match word {
            Word::Text(text) => text,
            Word::Value(value) => format!("`{value}`"),
            Word::Object(name) => format!("[{name}]"),
        };
        words(&schema(json)).into_iter().map(word).collect()
    }

    #[test]
    fn a_type_is_said_in_words() {
        for (json, expected) in [
            (json!({"type": "string"}), "text"),
            (json!({"type": ["string", "null"]}), "text or null"),
            (json!({"type": "integer", "format": "int64"}), "whole number"),
            (json!({"type": "string", "format": "date-time"}), "instant"),
            (json!({"type": "string", "enum": ["csat", "nps"]}), "`csat` | `nps`"),
            (json!({"$ref": "#/components/schemas/Survey"}), "[Survey]"),
            (json!({"type": "array", "items": {"$ref": "#/components/schemas/Survey"}}), "list of [Survey]"),
            (json!({"oneOf": [{"type": "null"}, {"$ref": "#/components/schemas/Policy"}]}), "[Policy] or null"),
            (json!({"type": "object", "additionalProperties": {"type": "integer"}}), "object of whole number"),
        ] {
            assert_eq!(said(json.clone()), expected, "{json}");
        }
    }

    #[test]
    fn the_fields_of_all_parts_are_listed_with_those_that_are_required() {
        let part = json!({"type": "object", "required": ["id"], "properties": {"id": {"type": "string", "description": "Its id."}}});
        let components: Components = serde_json::from_value(json!({"schemas": {"Part": part}})).unwrap();
        let whole = json!({"allOf": [{"$ref": "#/components/schemas/Part"}, {"type": "object", "properties": {"n": {"type": "integer"}}}]});
        let found = fields(&schema(json!({"type": "array", "items": whole})), &components);
        let told: Vec<_> = found.iter().map(|field| (field.name.as_str(), field.required, field.description.as_str())).collect();
        assert_eq!(told, [("id", true, "Its id."), ("n", false, "")]);
    }
}
