//! Writing definitions into the record.

use super::{AFTER_ROWS, Definition, references};
use crate::ledger::{self, Root};
use crate::model::Operation;
use crate::pg::raw;
use crate::record::{datum, tables, write as rows};
use crate::running;
use pgrx::pg_sys::{Datum, Oid};
use std::rc::Rc;

/// Writes definitions into the record of the root statement. `names`: what the record calls the tables they belong to.
pub fn write(names: Vec<(Oid, Rc<str>)>, operation: Operation, definitions: Vec<Definition>) {
    let key = running::root_key().unwrap_or(usize::MAX);
    // SAFETY: reads the transaction state.
    let nest = unsafe { raw::GetCurrentTransactionNestLevel() };
    // What is asked of the catalogs runs SQL, so the ledger is not borrowed meanwhile.
    let definitions = in_order(&names, operation, definitions);
    ledger::with(|ledger| {
        let root = ledger.root(key, running::new_root);
        put(root, nest, &names, operation, &definitions);
    });
}

/// Writes definitions into the record of `root`.
pub fn record(
    root: &mut Root,
    nest: i32,
    names: Vec<(Oid, Rc<str>)>,
    operation: Operation,
    definitions: Vec<Definition>,
) {
    let definitions = in_order(&names, operation, definitions);
    put(root, nest, &names, operation, &definitions);
}

fn in_order(
    names: &[(Oid, Rc<str>)],
    operation: Operation,
    mut definitions: Vec<Definition>,
) -> Vec<Definition> {
    references::add_identities(names, operation, &mut definitions);
    definitions.sort_by_key(|definition| (definition.rank, definition.depth));
    definitions
}

fn put(
    root: &mut Root,
    nest: i32,
    names: &[(Oid, Rc<str>)],
    operation: Operation,
    definitions: &[Definition],
) {
    for (_, name) in names {
        root.level(nest).note(name, operation);
    }
    // One statement may change columns several times: each change's rows follow its definitions.
    let of_columns = matches!(
        operation,
        Operation::AlterColumnType | Operation::DropColumn
    );
    let first = definitions.first().filter(|_| of_columns).map(|of| {
        let ordinal = root.next_ordinal.to_string();
        let sql = format!("-- its rows are recorded from ordinal {ordinal} on");
        Definition::new(0, of.relid, &of.object, "first row", &ordinal, sql)
    });
    for definition in first.iter().chain(definitions) {
        let ordinal = root.next_definition;
        root.next_definition += 1;
        insert(root, names, operation, definition, ordinal);
    }
}

/// Room in the order of a root's definitions for those of which it is not known yet whether they hold.
pub struct Reserved {
    names: Vec<(Oid, Rc<str>)>,
    operation: Operation,
    definitions: Vec<Definition>,
    first: i32,
}

impl Reserved {
    /// Behind what was recorded last.
    pub fn behind(
        root: &mut Root,
        names: Vec<(Oid, Rc<str>)>,
        operation: Operation,
        definitions: Vec<Definition>,
    ) -> Reserved {
        let first = root.next_definition;
        root.next_definition += definitions.len() as i32;
        Reserved {
            names,
            operation,
            definitions,
            first,
        }
    }

    /// Records those of them that hold.
    pub fn record(&self, root: &mut Root, holds: impl Fn(&Definition) -> bool) {
        for (definition, ordinal) in self.definitions.iter().zip(self.first..) {
            if holds(definition) {
                insert(root, &self.names, self.operation, definition, ordinal);
            }
        }
    }
}

fn insert(
    root: &mut Root,
    names: &[(Oid, Rc<str>)],
    operation: Operation,
    definition: &Definition,
    ordinal: i32,
) {
    let known = names.iter().find(|(relid, _)| *relid == definition.relid);
    let relation = known.map_or(&*definition.object, |(_, name)| name);
    let phase = match definition.rank {
        rank if rank < AFTER_ROWS => "before rows",
        _ => "after rows",
    };
    let id = rows::statement_id(root);
    let text = |text: &str| Some(datum::string(text));
    tables::insert(
        c"definition",
        &mut [
            Some(Datum::from(id)),
            Some(Datum::from(ordinal)),
            text(relation),
            text(operation.record_name()),
            text(phase),
            text(&definition.object),
            text(&definition.kind),
            text(&definition.name),
            text(&definition.sql),
        ],
    );
}
