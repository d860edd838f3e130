//! The text of an nft table: blocks, indentation, elements.

/// One table, written block by block.
pub(crate) struct Table {
    text: String,
    blocks: usize,
}

impl Table {
    /// Begins with the removal of the table of the same name; `add` first, since nft cannot delete what is not there.
    pub(crate) fn replacing(name: &str) -> Self {
        Self::replacing_in("inet", name)
    }

    /// Does so for a table of another family than `inet`.
    pub(crate) fn replacing_in(family: &str, name: &str) -> Self {
        let table = format!("table {family} {name}");
        let text = format!("add {table}\ndelete {table}\n{table} {{\n");
        Self { text, blocks: 0 }
    }

    /// Writes a chain; `hook` is there for base chains.
    pub(crate) fn chain(&mut self, name: &str, hook: Option<&str>, rules: &[String]) {
        let lines: Vec<_> = hook.map(str::to_owned).into_iter().chain(rules.iter().cloned()).collect();
        self.block(&format!("chain {name}"), &lines, &[]);
    }

    /// Writes a set, map or chain with its elements, if it has any.
    pub(crate) fn block(&mut self, head: &str, lines: &[String], elements: &[String]) {
        if self.blocks > 0 {
            self.text.push('\n');
        }
        self.blocks += 1;
        self.line(1, &format!("{head} {{"));
        for line in lines {
            self.line(2, line);
        }
        if !elements.is_empty() {
            self.line(2, "elements = {");
            for element in elements {
                self.line(3, &format!("{element},"));
            }
            self.line(2, "}");
        }
        self.line(1, "}");
    }

    fn line(&mut self, depth: usize, line: &str) {
        self.text.push_str(&"\t".repeat(depth));
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// Closes the table and returns the script.
    pub(crate) fn finish(mut self) -> String {
        self.text.push_str("}\n");
        self.text
    }
}
