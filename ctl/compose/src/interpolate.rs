//! Variables in texts: `$A`, `${A}`, `${A:-default}`, `${A:?message}`, `${A:+instead}`, nested, and `$$` for a `$`.

/// What a text with variables becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filled {
    /// The text.
    pub text: String,
    /// Variables that were asked for, are not set, and have no default.
    pub unset: Vec<String>,
}

/// Says why a text can't be filled in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InterpolationError {
    /// A `$` begins nothing.
    #[error("`{0}` has a `$` that names no variable: write $NAME or ${{NAME}}, or $$ for a `$`")]
    NoName(String),
    /// A brace is not closed.
    #[error("`{0}` has no }} for its ${{")]
    Open(String),
    /// Something stands behind the name that is none of the operators.
    #[error(
        "`{0}` is not known behind the name of a variable: use :- or - for a default, :? or ? for an error, :+ or + for another value"
    )]
    Operator(String),
    /// Defaults of defaults, without end.
    #[error("variables are nested more than {NESTING_MAX} deep")]
    Nesting,
    /// A variable that must be set is not.
    #[error("variable {name} is required: {message}")]
    Required {
        /// Its name.
        name: String,
        /// What the file says to that.
        message: String,
    },
}

const NESTING_MAX: usize = 32;

enum Part {
    Text(String),
    Variable { name: String, operation: Option<Operation> },
}

struct Operation {
    kind: Kind,
    /// Whether an empty variable counts as one that is not set.
    or_empty: bool,
    word: Vec<Part>,
}

#[derive(Clone, Copy)]
enum Kind {
    Default,
    Required,
    Instead,
}

/// Fills the variables in.
pub fn fill(text: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Result<Filled, InterpolationError> {
    if !text.contains('$') {
        return Ok(Filled { text: text.to_owned(), unset: Vec::new() });
    }
    let mut parser = Parser { text, rest: text };
    let parts = parser.parts(0)?;
    let mut filled = Filled { text: String::new(), unset: Vec::new() };
    evaluate(&parts, lookup, &mut filled)?;
    Ok(filled)
}

struct Parser<'a> {
    text: &'a str,
    rest: &'a str,
}

impl Parser<'_> {
    fn shown(&self) -> String {
        self.text.chars().take(60).collect()
    }

    /// Up to the end, or within braces up to the one that closes them.
    fn parts(&mut self, depth: usize) -> Result<Vec<Part>, InterpolationError> {
        if depth > NESTING_MAX {
            return Err(InterpolationError::Nesting);
        }
        let mut parts = Vec::new();
        let mut text = String::new();
        // Braces of the text itself, such as those of JSON in a default.
        let mut braces = 0usize;
        loop {
            let Some(c) = self.rest.chars().next() else {
                if depth > 0 {
                    return Err(InterpolationError::Open(self.shown()));
                }
                break;
            };
            if c == '}' && depth > 0 && braces == 0 {
                break;
            }
            self.rest = &self.rest[c.len_utf8()..];
            match c {
                '$' => {
                    if let Some(rest) = self.rest.strip_prefix('$') {
                        self.rest = rest;
                        text.push('$');
                        continue;
                    }
                    parts.push(Part::Text(std::mem::take(&mut text)));
                    parts.push(self.variable(depth)?);
                }
                c => {
                    if depth > 0 && c == '{' {
                        braces += 1;
                    } else if depth > 0 && c == '}' {
                        braces -= 1;
                    }
                    text.push(c);
                }
            }
        }
        parts.push(Part::Text(text));
        Ok(parts)
    }

    /// What follows a `$`.
    fn variable(&mut self, depth: usize) -> Result<Part, InterpolationError> {
        let Some(rest) = self.rest.strip_prefix('{') else {
            let name = self.name()?;
            return Ok(Part::Variable { name, operation: None });
        };
        self.rest = rest;
        let name = self.name()?;
        if let Some(rest) = self.rest.strip_prefix('}') {
            self.rest = rest;
            return Ok(Part::Variable { name, operation: None });
        }
        let after_colon = self.rest.strip_prefix(':');
        let rest = after_colon.unwrap_or(self.rest);
        let kind = match rest.chars().next() {
            Some('-') => Kind::Default,
            Some('?') => Kind::Required,
            Some('+') => Kind::Instead,
            None => return Err(InterpolationError::Open(self.shown())),
            Some(_) => return Err(InterpolationError::Operator(self.rest.chars().take(10).collect())),
        };
        self.rest = &rest[1..];
        let word = self.parts(depth + 1)?;
        // `parts` ends before the closing brace.
        self.rest = self.rest.strip_prefix('}').unwrap_or(self.rest);
        Ok(Part::Variable {
            name,
            operation: Some(Operation { kind, or_empty: after_colon.is_some(), word }),
        })
    }

    fn name(&mut self) -> Result<String, InterpolationError> {
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(InterpolationError::NoName(self.shown()));
        }
        self.rest = rest;
        Ok(name.to_owned())
    }
}

fn evaluate(
    parts: &[Part],
    lookup: &dyn Fn(&str) -> Option<String>,
    filled: &mut Filled,
) -> Result<(), InterpolationError> {
    for part in parts {
        match part {
            Part::Text(text) => filled.text.push_str(text),
            Part::Variable { name, operation: None } => match lookup(name) {
                Some(value) => filled.text.push_str(&value),
                None => filled.unset.push(name.clone()),
            },
            Part::Variable { name, operation: Some(operation) } => {
                let value = lookup(name).filter(|value| !(operation.or_empty && value.is_empty()));
                match (operation.kind, value) {
                    (Kind::Default | Kind::Required, Some(value)) => filled.text.push_str(&value),
                    (Kind::Default, None) | (Kind::Instead, Some(_)) => {
                        evaluate(&operation.word, lookup, filled)?
                    }
                    (Kind::Instead, None) => {}
                    (Kind::Required, None) => {
                        let mut said = Filled { text: String::new(), unset: Vec::new() };
                        evaluate(&operation.word, lookup, &mut said)?;
                        let message = if said.text.is_empty() { "set it".to_owned() } else { said.text };
                        return Err(InterpolationError::Required { name: name.clone(), message });
                    }
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn filled(text: &str) -> Result<Filled, InterpolationError> {
        fill(text, &|name| match name {
            "A" => Some("a".into()),
            "EMPTY" => Some(String::new()),
            _ => None,
        })
    }

    #[test]
    fn variables_are_filled_in_as_compose_does() {
        for (text, expected) in [
            ("plain", "plain"),
            ("$A/${A}", "a/a"),
            ("$$A $${A}", "$A ${A}"),
            ("${B:-x}${B-x}${EMPTY:-x}${EMPTY-x}", "xxx"),
            ("${A:+y}${B:+y}${EMPTY:+y}${EMPTY+y}", "yy"),
            ("${B:-${C:-${A}}}", "a"),
            ("${B:-http://h:80/?x=1}", "http://h:80/?x=1"),
            ("${B:-{\"k\": \"v\"}}", "{\"k\": \"v\"}"),
            ("${A:?must be set}", "a"),
            ("${A:-${MISSING:?never asked}}", "a"),
            ("$A_", ""),
        ] {
            assert_eq!(filled(text).unwrap().text, expected, "{text}");
        }
        assert_eq!(filled("$B${C:-$D}").unwrap().unset, ["B", "D"]);
    }

    #[test]
    fn what_can_not_be_filled_in_says_why() {
        for (text, says) in [
            ("${B:?set it to $A}", "variable B is required: set it to a"),
            ("${B?}", "variable B is required: set it"),
            ("cost: $5", "write $NAME or ${NAME}, or $$ for a `$`"),
            ("$", "write $NAME"),
            ("${A", "no } for its ${"),
            ("${A:-${B}", "no } for its ${"),
            ("${A!}", "`!}` is not known"),
            ("${}", "names no variable"),
        ] {
            let error = filled(text).unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[${}:?+A-C é-]{0,60}") {
            let _ = filled(&text);
        }
    }
}
