//! The list of stacks.

use super::{
    listing::{Listing, Row},
    quote,
};
use crate::parse::filters::Filters;
use gotmpl::Value;
use proto::wire::Stack;

/// What a list of stacks shows.
pub const LISTING: Listing = Listing {
    fields: &[
        ("ID", "ID"),
        ("Name", "NAME"),
        ("Services", "SERVICES"),
        ("Networks", "NETWORKS"),
        ("Status", "STATUS"),
    ],
    table: "{{.Name}}\t{{.Services}}\t{{.Networks}}\t{{.Status}}",
    quiet: "{{.Name}}",
};

/// The keys a list of stacks can be filtered by.
pub const FILTERS: &[&str] = &["id", "name"];

/// The rows of the stacks that match, by name.
pub fn rows(mut stacks: Vec<Stack>, filters: &Filters) -> Vec<Row> {
    let matches = |stack: &Stack| {
        filters.any("id", |id| stack.id.starts_with(id))
            && filters.any("name", |wanted| name(stack).starts_with(wanted))
    };
    stacks.retain(matches);
    stacks.sort_by(|a, b| name(a).cmp(name(b)));
    stacks.iter().map(row).collect()
}

fn name(stack: &Stack) -> &str {
    stack.spec.as_ref().map_or("", |spec| &spec.name)
}

fn row(stack: &Stack) -> Row {
    let status = match (stack.removing, stack.waiting.len()) {
        (true, _) => "removing".to_owned(),
        (false, 0) => String::new(),
        (false, 1) => "1 service waits for others".to_owned(),
        (false, waiting) => format!("{waiting} services wait for others"),
    };
    Row::from([
        ("ID", Value::from(quote::id(&stack.id, true))),
        ("Name", Value::from(name(stack))),
        ("Services", Value::from(stack.service_ids.len().to_string())),
        ("Networks", Value::from(stack.network_ids.len().to_string())),
        ("Status", Value::from(status)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::listing::{Format, render};
    use proto::wire::StackSpec;

    #[test]
    fn stacks_are_listed_by_name() {
        let stack = |name: &str, waiting: usize, removing| Stack {
            id: "s".repeat(25),
            spec: Some(StackSpec { name: name.into(), ..Default::default() }),
            service_ids: vec!["a".into(), "b".into()],
            waiting: vec!["a".into(); waiting],
            removing,
            ..Default::default()
        };
        let all = vec![stack("shop", 1, false), stack("mail", 0, false), stack("old", 0, true)];
        let filters = Filters::checked(&[], FILTERS, |_, _| {}).unwrap();
        let text = render(&LISTING, &Format::choose(&LISTING, None, false), rows(all, &filters)).unwrap();
        let expected = "\
NAME      SERVICES   NETWORKS   STATUS
mail      2          0          \n\
old       2          0          removing
shop      2          0          1 service waits for others
";
        assert_eq!(text, expected);
    }
}
