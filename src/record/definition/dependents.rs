//! What sits on columns by an expression, before ALTER COLUMN TYPE makes it anew and after: what it is then decides whether a
//! restore may put the recorded one in its place.

use super::columns::attnums;
use super::{Definition, attached, definition_of, oids, read, references};
use crate::pg::catalog;
use crate::pg::newest;
use crate::pg::privileged::Privileged;
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys::{self, Oid};

/// A constraint, an index, its attachment to a partitioned one's, or statistics: `Definition::kind` says which.
pub struct Dependent {
    pub definition: Definition,
    class: Oid,
    pub oid: Oid,
    index: Oid,
}

/// Settings that constraints, indexes and statistics have besides their definitions.
const SETTINGS: [&str; 7] = [
    "comment",
    "cluster",
    "index tablespace",
    "index options",
    "index statistics",
    "owner",
    "statistics target",
];

fn arguments(relid: Oid, columns: &[(Oid, i16)]) -> [DatumWithOid<'static>; 3] {
    let tables: Vec<Oid> = columns.iter().map(|(table, _)| *table).collect();
    let columns: Vec<i16> = columns.iter().map(|(_, column)| *column).collect();
    [oids(&[relid]), oids(&tables), attnums(&columns)]
}

/// What sits on columns (table, column) now, in the order in which it is made; it belongs to the record of `relid`.
pub fn dependents(relid: Oid, columns: &[(Oid, i16)]) -> Vec<Dependent> {
    let _privileged = Privileged::for_ddl();
    newest::select(
        include_str!("dependents.sql"),
        &arguments(relid, columns),
        |row| {
            let oid = |n| Ok::<_, pgrx::spi::Error>(row.get(n)?.unwrap_or(pg_sys::InvalidOid));
            Ok(Some(Dependent {
                definition: definition_of(row)?,
                class: oid(8)?,
                oid: oid(9)?,
                index: oid(10)?,
            }))
        },
    )
}

/// How the tables' constraints, indexes and statistics are kept.
pub fn kept_settings(columns: &[(Oid, i16)]) -> Vec<Definition> {
    let mut tables: Vec<Oid> = columns.iter().map(|(table, _)| *table).collect();
    tables.sort_unstable_by_key(|table| table.to_u32());
    tables.dedup();
    let mut all = attached(&tables);
    all.retain(|setting| SETTINGS.contains(&&*setting.kind));
    all
}

/// Whether a setting is one of what is called `name`, with its schema or without, and sits on `object`.
pub fn is_about(setting: &Definition, object: &str, name: &str) -> bool {
    let is_bare = |full: &str, bare: &str| {
        let rest = full.strip_suffix(&*catalog::quoted(bare));
        rest.is_some_and(|schema| schema.ends_with('.'))
    };
    setting.object == object
        && (setting.name == name || is_bare(name, &setting.name) || is_bare(&setting.name, name))
}

/// What ALTER COLUMN TYPE will make anew, and what it does not keep.
pub(super) fn before(relid: Oid, columns: &[(Oid, i16)]) -> Vec<Definition> {
    let dependents = dependents(relid, columns);
    let mut all = read(
        include_str!("lost_settings.sql"),
        &arguments(relid, columns),
    );
    if dependents.is_empty() {
        return all;
    }
    let class = pg_sys::RelationRelationId;
    let of = dependents
        .iter()
        .flat_map(|one| [(one.class, one.oid, 0), (class, one.index, 0)]);
    all.extend(references::references(&of.collect::<Vec<_>>()));
    for setting in kept_settings(columns) {
        let mut of = dependents.iter().map(|one| &one.definition);
        let of = of.find(|one| is_about(&setting, &one.object, &one.name));
        if let Some(of) = of.filter(|one| one.kind != "attachment") {
            let sql = setting.sql.clone();
            let name = of.name.clone();
            let mut setting =
                Definition::new(48, relid, &of.object, "dependent setting", &name, sql);
            setting.depth = 0;
            all.push(setting);
        }
    }
    all.extend(dependents.into_iter().map(|one| Definition {
        kind: format!("dependent {}", one.definition.kind),
        ..one.definition
    }));
    all
}

/// What it has made of that: by its OID and, after a restore or elsewhere, by what it looks like.
pub fn left(relid: Oid, columns: &[(Oid, i16)]) -> Vec<Definition> {
    let dependents = dependents(relid, columns).into_iter();
    dependents
        .map(|one| Definition {
            kind: format!("left {}", one.definition.kind),
            sql: format!("/* {} */ {}", one.oid.to_u32(), one.definition.sql),
            ..one.definition
        })
        .collect()
}
