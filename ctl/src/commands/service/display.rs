//! Shows progress: drawn over on a terminal, a line a change elsewhere, nothing if asked to be quiet.

use crate::{
    output::{progress::Step, screen},
    printer::Printer,
};

/// Where steps are shown.
pub struct Display<'a> {
    printer: &'a Printer,
    quiet: bool,
    width: Option<usize>,
    drawn: usize,
    before: Option<Step>,
}

impl<'a> Display<'a> {
    /// Begins with nothing shown.
    pub fn new(printer: &'a Printer, quiet: bool) -> Self {
        Self { printer, quiet, width: printer.drawing_width(), drawn: 0, before: None }
    }

    /// Shows one more step.
    pub fn show(&mut self, step: &Step) {
        if self.quiet {
            return;
        }
        match self.width {
            Some(width) => {
                let lines = screen::picture(step, width);
                self.printer.aside(screen::redraw(self.drawn, &lines));
                self.drawn = lines.len();
            }
            None => {
                for line in screen::changes(self.before.as_ref(), step) {
                    self.printer.note(&line);
                }
                self.before = Some(step.clone());
            }
        }
    }

    /// Says how it ended.
    pub fn done(&self, text: &str) {
        if !self.quiet {
            self.printer.note(text);
        }
    }
}
