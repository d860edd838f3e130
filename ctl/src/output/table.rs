//! Columns as docker aligns them: at least ten characters, three between columns.

const COLUMN_MIN: usize = 10;
const PADDING: usize = 3;

/// Aligns lines of cells that are divided by tabs. The last cell of a line belongs to no column and
/// is not padded.
pub fn align(text: &str) -> String {
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split('\t').collect()).collect();
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0).saturating_sub(1);
    let mut widths = vec![COLUMN_MIN; columns];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(&line[..line.len() - 1]) {
            *width = (*width).max(cell.chars().count() + PADDING);
        }
    }
    let mut aligned = String::with_capacity(text.len() * 2);
    for line in &lines {
        let (last, padded) = line.split_last().expect("split gives at least one cell");
        for (cell, width) in padded.iter().zip(&widths) {
            aligned.push_str(cell);
            aligned.extend(std::iter::repeat_n(' ', width - cell.chars().count()));
        }
        aligned.push_str(last);
        aligned.push('\n');
    }
    aligned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let table = align("ID\tNAME\tPORTS\n0123456789ab\ta\t\nx\ta-long-name…\t*:80->80/tcp\n");
        let expected = "\
ID             NAME           PORTS
0123456789ab   a              \nx              a-long-name…   *:80->80/tcp\n";
        assert_eq!(table, expected);
    }

    #[test]
    fn short_columns_are_ten_wide() {
        assert_eq!(align("A\tB\nx\ty\n"), "A         B\nx         y\n");
        assert_eq!(align(""), "");
    }
}
