//! A statement's images out of their order.

use super::source::Source;
use crate::record::json::Rows;
use crate::report::Outcome;
use std::rc::Rc;

/// Opened chunks that are kept: rows come nearly in the order in which they were captured.
const OPEN: usize = 8;

/// A chunk's text and its rows.
pub(super) type Opened = Rc<(Vec<u8>, Rows)>;

/// A statement's images, by chunk and row.
pub(super) struct Images {
    pub source: Source,
    open: Vec<(u32, Opened)>,
}

impl Images {
    pub fn of(source: Source) -> Images {
        Images {
            source,
            open: Vec::new(),
        }
    }

    pub fn opened(&mut self, chunk: u32) -> Outcome<Opened> {
        if let Some((_, open)) = self.open.iter().find(|(n, _)| *n == chunk) {
            return Ok(open.clone());
        }
        let open = Rc::new(self.source.rows_of(chunk as usize)?);
        if self.open.len() == OPEN {
            self.open.remove(0);
        }
        self.open.push((chunk, open.clone()));
        Ok(open)
    }

    /// The places of columns among a chunk's.
    pub fn places(&self, chunk: u32, columns: &[String]) -> Option<Vec<usize>> {
        let names = &self.source.chunks[chunk as usize].columns;
        let place = |wanted: &String| names.iter().position(|name| name == wanted);
        columns.iter().map(place).collect()
    }
}
