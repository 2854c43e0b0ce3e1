//! What rows of a relation are known by.

/// What tells a relation's rows apart, by name.
pub(super) enum ToldBy {
    Key(Vec<String>),
    /// Nothing does: rows that are alike in all that was not converted go together.
    Values(Vec<String>),
}

impl ToldBy {
    pub(super) fn columns(&self) -> &[String] {
        let (ToldBy::Key(columns) | ToldBy::Values(columns)) = self;
        columns
    }

    pub(super) fn is_key(&self) -> bool {
        matches!(self, ToldBy::Key(_))
    }

    /// Where its columns are among a chunk's.
    pub(super) fn places(&self, columns: &[String]) -> Option<Vec<usize>> {
        let place = |wanted: &String| columns.iter().position(|column| column == wanted);
        self.columns().iter().map(place).collect()
    }
}
