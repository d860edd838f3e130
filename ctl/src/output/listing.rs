//! Lists: rows of named fields, shown as a table, as JSON or by a template.

use super::{
    json, table,
    template::{self, FormatError, Target},
};
use gotmpl::Value;
use std::{collections::BTreeMap, sync::Arc};

/// What one kind of list can show.
#[derive(Debug)]
pub struct Listing {
    /// Its fields with the words above their columns.
    pub fields: &'static [(&'static str, &'static str)],
    /// The table that is shown if nothing else is asked for.
    pub table: &'static str,
    /// What `--quiet` shows of each row.
    pub quiet: &'static str,
}

/// One row: the value of each field.
pub type Row = BTreeMap<&'static str, Value>;

/// How a list is to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// Aligned columns below a header.
    Table(String),
    /// An object a line.
    Json,
    /// What a template makes of each row, a line each.
    Template(String),
}

impl Format {
    /// Decides by `--format` and `--quiet`.
    pub fn choose(listing: &Listing, format: Option<&str>, quiet: bool) -> Format {
        match format {
            None if quiet => Format::Template(listing.quiet.to_owned()),
            None => Format::Table(listing.table.to_owned()),
            Some("table") if quiet => Format::Template(listing.quiet.to_owned()),
            Some("table") => Format::Table(listing.table.to_owned()),
            Some("json") => Format::Json,
            Some(text) => match text.strip_prefix("table ") {
                Some(columns) => Format::Table(columns.trim().to_owned()),
                None => Format::Template(text.to_owned()),
            },
        }
    }

    /// Whether rows are aligned below a header.
    pub fn is_table(&self) -> bool {
        matches!(self, Format::Table(_))
    }
}

/// Shows rows.
pub fn render(listing: &Listing, format: &Format, rows: Vec<Row>) -> Result<String, FormatError> {
    match format {
        Format::Json => Ok(rows.into_iter().map(|row| json::compact_escaped(&object(row)) + "\n").collect()),
        Format::Template(source) => each(source, rows),
        Format::Table(columns) => {
            let header: Row =
                listing.fields.iter().map(|(field, word)| (*field, Value::from(*word))).collect();
            let header = template::execute(&template::parse(columns, Target::Header)?, &object(header))?;
            Ok(table::align(&format!("{header}\n{}", each(columns, rows)?)))
        }
    }
}

fn each(source: &str, rows: Vec<Row>) -> Result<String, FormatError> {
    let template = template::parse(source, Target::Object)?;
    let mut text = String::new();
    for row in rows {
        text.push_str(&template::execute(&template, &object(row))?);
        text.push('\n');
    }
    Ok(text)
}

fn object(row: Row) -> Value {
    Value::Map(Arc::new(row.into_iter().map(|(field, value)| (Arc::from(field), value)).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const THINGS: Listing = Listing {
        fields: &[("ID", "ID"), ("DesiredState", "DESIRED STATE")],
        table: "{{.ID}}\t{{.DesiredState}}",
        quiet: "{{.ID}}",
    };

    fn shown(format: Option<&str>, quiet: bool) -> Result<String, FormatError> {
        let row = |id: &str| Row::from([("ID", Value::from(id)), ("DesiredState", Value::from("a->b"))]);
        render(&THINGS, &Format::choose(&THINGS, format, quiet), vec![row("1"), row("2")])
    }

    #[test]
    fn a_list_is_a_table_json_or_a_template() {
        assert_eq!(shown(None, false).unwrap(), "ID        DESIRED STATE\n1         a->b\n2         a->b\n");
        assert_eq!(
            shown(Some("table {{.DesiredState}}\\t{{lower .ID}}"), false).unwrap().lines().next(),
            Some("DESIRED STATE   ID")
        );
        assert_eq!(
            shown(Some("json"), false).unwrap().lines().next(),
            Some(r#"{"DesiredState":"a-\u003eb","ID":"1"}"#)
        );
        assert_eq!(shown(Some("<{{.ID}}>"), false).unwrap(), "<1>\n<2>\n");
        assert_eq!(shown(None, true).unwrap(), "1\n2\n");
    }

    #[test]
    fn an_unknown_field_is_refused_even_without_rows() {
        let format = Format::choose(&THINGS, Some("table {{.Nope}}"), false);
        let error = render(&THINGS, &format, vec![]).unwrap_err().to_string();
        assert_eq!(error, "--format: there is no field `Nope`: at the top there are DesiredState, ID");
    }
}
