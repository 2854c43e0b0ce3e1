//! What recorded columns are called now.
//!
//! The record notes every renamed and dropped column of the tables it has to do with (`column_history`); followed from an
//! image on, they lead from the names it has to today's. What happened to a table before it was registered, or while it
//! was not, is noted nowhere: where that could be a new name, nobody guesses.

use super::chunk::Chunk;
use super::column_history::ColumnChanges;
use super::target::Target;
use crate::pg::catalog::ColumnFact;
use crate::report::{Outcome, Report, sqlstate};
use pgrx::pg_sys::Oid;

/// A recorded column today.
struct Column {
    /// `None` where another column has taken the name.
    name: Option<String>,
    dropped: bool,
}

impl ColumnChanges {
    /// The statements that made something else of the chunk's columns than it has, by column. `undone`: one that is undone
    /// first.
    pub fn converted(&self, chunk: &Chunk, relid: Oid, undone: i64) -> Vec<Option<i64>> {
        let columns = chunk.columns.iter();
        columns
            .map(|column| self.of_chunk(chunk, relid, column).converted(undone))
            .collect()
    }

    /// What the chunk's columns are called in `target`; `None` for those that are gone.
    pub fn of(&self, chunk: &Chunk, target: &Target) -> Outcome<Vec<Option<String>>> {
        let follow = |column: &String| {
            let today = self.of_chunk(chunk, target.relid, column);
            Column {
                dropped: today.dropped,
                name: today.today(),
            }
        };
        let mut columns: Vec<Column> = chunk.columns.iter().map(follow).collect();
        let keys = columns[..chunk.key_count].iter();
        let keys: Vec<String> = keys.filter_map(|column| column.name.clone()).collect();
        if let Some(names) = target.in_order(chunk, &keys) {
            return Ok(names.into_iter().map(Some).collect());
        }
        let living: Vec<Option<String>> = columns
            .iter()
            .map(|column| column.name.clone().filter(|_| !column.dropped))
            .collect();
        for column in columns.iter_mut().filter(|column| column.dropped) {
            column
                .name
                .take_if(|name| living.contains(&Some(name.clone())));
        }
        check(chunk, target, &columns)?;
        Ok(columns.into_iter().map(|column| column.name).collect())
    }
}

/// Refuses what could be a new name that nobody noted: a recorded column is not there, and the table has another one that
/// is not recorded.
fn check(chunk: &Chunk, target: &Target, columns: &[Column]) -> Outcome<()> {
    let fact = |column: &Column| {
        let mut facts = target.columns.iter();
        facts.find(|fact| column.name.as_ref() == Some(&fact.name))
    };
    let recorded: Vec<i16> = columns
        .iter()
        .filter_map(fact)
        .map(|fact| fact.attnum)
        .collect();
    let mut others = target
        .columns
        .iter()
        .filter(|fact| !fact.generated && !recorded.contains(&fact.attnum));
    let mut lost = columns.iter().zip(chunk.columns.iter());
    let lost = lost.find(|(column, _)| !column.dropped && fact(column).is_none());
    let (Some(other), Some((_, name))) = (others.next(), lost) else {
        return Ok(());
    };
    // What was added after the recorded columns comes behind them.
    let last = columns
        .iter()
        .filter(|column| !column.dropped)
        .filter_map(fact);
    let last = last.map(|fact| fact.attnum).max().unwrap_or(0);
    let same = chunk.relid == target.relid;
    if same && other.attnum > last && left_places(chunk, target, columns, fact) {
        return Ok(());
    }
    let table = &target.name;
    Err(Report::new(
        sqlstate::NOT_IN_PREREQUISITE_STATE,
        format!("it is not certain what became of column \"{name}\" of table \"{table}\""),
    )
    .detail(format!(
        "It was recorded in rows of \"{}\", and the table has a column \"{}\" that was not: it may have got that name.",
        chunk.relation, other.name
    ))
    .hint(format!(
        "Give the column its recorded name for the time of the restore, or add a column \"{name}\" that takes the values."
    )))
}

/// Whether every column that is not there can have been dropped: a dropped column leaves its place behind. The record has
/// the key and then the others in the table's order; partitions may have orders of their own.
fn left_places<'a>(
    chunk: &Chunk,
    target: &'a Target,
    columns: &[Column],
    fact: impl Fn(&Column) -> Option<&'a ColumnFact>,
) -> bool {
    let mut places = target.dropped_places();
    let mut at = 0;
    for (n, column) in columns.iter().enumerate() {
        let in_order = n >= chunk.key_count && !target.partitioned();
        match fact(column) {
            Some(fact) if in_order && !column.dropped => at = fact.attnum,
            Some(_) => {}
            None => match places.iter().position(|place| *place > at) {
                Some(place) => {
                    let place = places.remove(place);
                    if in_order {
                        at = place;
                    }
                }
                None if column.dropped => {}
                None => return false,
            },
        }
    }
    true
}
