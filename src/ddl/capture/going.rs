//! What a DROP takes of what is guarded, as one look at the registry has it.

use super::closure::{self, Object};
use super::dropped::{guarded, taken};
use super::roots::Roots;
use super::will_be_refused;
use crate::ddl::Finding;
use crate::ddl::enforce::{self, Stage};
use crate::judge::ddl::Kind;
use crate::pg::classes;
use crate::registry::{Guarded, Registry};
use crate::report::Outcome;
use crate::running::coverage::Coverage;
use pgrx::pg_sys::{self, Oid};
use std::rc::Rc;

/// What goes with the roots, as one registry has it.
pub(super) struct Going {
    pub gone: Vec<Object>,
    /// The guarded tables.
    pub tables: Vec<Rc<Guarded>>,
    /// The columns of other guarded tables.
    pub columns: Vec<Object>,
    /// What the statement names, with its children.
    pub named: Vec<Oid>,
    /// What covers it.
    pub coverage: Coverage,
}

impl Going {
    /// An error where it is refused; `None` where it will be when PostgreSQL comes to it.
    pub fn look(registry: &Rc<Registry>, roots: &Roots) -> Outcome<Option<Going>> {
        let gone = closure::closure(&roots.objects);
        let tables = guarded(registry, &gone);
        let relids: Vec<Oid> = tables.iter().map(|table| table.relid).collect();
        let columns: Vec<Object> = gone
            .iter()
            .copied()
            .filter(|object| {
                object.class == pg_sys::RelationRelationId
                    && object.column > 0
                    && registry.table(object.oid).is_some()
                    && !relids.contains(&object.oid)
            })
            .collect();
        let named: Vec<Oid> = roots
            .objects
            .iter()
            .filter(|root| roots.named && root.class == pg_sys::RelationRelationId)
            .flat_map(|root| registry.with_children(root.oid))
            .collect();
        let (coverage, mut uncovered) = match relids.is_empty() && columns.is_empty() {
            true => (Coverage::Absent, Vec::new()),
            false => taken(
                registry,
                &relids,
                &columns,
                &roots.objects,
                !named.is_empty(),
            )?,
        };
        let going = Going {
            gone,
            tables,
            columns,
            named,
            coverage,
        };
        if !will_be_refused(registry, &going.concerned(), &going.coverage) {
            return Ok(Some(going));
        }
        // What a part of a type takes along is refused in words of its own when it is reached.
        uncovered.retain(|finding| !is_attribute(finding));
        enforce::all(&uncovered, Stage::Statement)?;
        Ok(None)
    }

    /// The guarded relations that lose something.
    pub fn concerned(&self) -> Vec<Oid> {
        let tables = self.tables.iter().map(|table| table.relid);
        let columns = self.columns.iter().map(|column| column.oid);
        let mut concerned: Vec<Oid> = tables.chain(columns).collect();
        concerned.sort_by_key(|relid| relid.to_u32());
        concerned.dedup();
        concerned
    }
}

/// Whether it is a column of a table that is of a type.
fn is_attribute(finding: &Finding) -> bool {
    let Finding::Table { table, action } = finding else {
        return false;
    };
    let typed =
        || classes::before(table.relid).is_some_and(|row| row.of_type != pg_sys::InvalidOid);
    action.kind == Kind::DropColumn && typed()
}
