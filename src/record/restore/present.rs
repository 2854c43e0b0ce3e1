//! Whether what a definition would make is there already.

use super::step::Step;
use crate::pg::newest;
use crate::pg::values::Text;
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys;

pub(super) fn relation_exists(name: &str) -> bool {
    asks("SELECT pg_catalog.to_regclass($2) IS NOT NULL", "", name)
}

/// A relation's owner.
pub(super) fn owner_of(name: &str) -> Option<pg_sys::Oid> {
    let sql = "SELECT relowner FROM pg_catalog.pg_class WHERE oid = pg_catalog.to_regclass($2)";
    ask(sql, "", name)
}

/// A role's name as SQL has it.
pub(super) fn role_named(role: pg_sys::Oid) -> String {
    let sql = "SELECT pg_catalog.quote_ident(pg_catalog.pg_get_userbyid($2::oid))";
    ask(sql, "", &role.to_u32().to_string()).unwrap_or_default()
}

/// The role of a name as SQL has it.
pub(super) fn role_called(name: &str) -> Option<pg_sys::Oid> {
    ask("SELECT pg_catalog.to_regrole($2)::oid", "", name)
}

/// The relation's schema, if the role may not use it.
pub(super) fn schema_closed_to(name: &str, role: pg_sys::Oid) -> Option<String> {
    let sql = "SELECT relnamespace::regnamespace::text FROM pg_catalog.pg_class
               WHERE oid = pg_catalog.to_regclass($2) AND NOT pg_catalog.has_schema_privilege($1::oid, relnamespace, 'USAGE')";
    ask(sql, &role.to_u32().to_string(), name)
}

/// Whether the role lacks a privilege on the table.
pub(super) fn table_closed_to(name: &str, role: pg_sys::Oid, privilege: &str) -> bool {
    let sql = format!(
        "SELECT NOT pg_catalog.has_table_privilege($1::oid, pg_catalog.to_regclass($2), '{privilege}')"
    );
    asks(&sql, &role.to_u32().to_string(), name)
}

/// The schema that a name starts with, if the role lacks a privilege on it.
pub(super) fn schema_of_closed_to(
    name: &str,
    role: pg_sys::Oid,
    privilege: &str,
) -> Option<String> {
    let sql = format!(
        "SELECT pg_catalog.quote_ident(nspname) FROM pg_catalog.pg_namespace
         WHERE nspname = (pg_catalog.parse_ident($2, false))[1]
             AND NOT pg_catalog.has_schema_privilege($1::oid, oid, '{privilege}')"
    );
    ask(&sql, &role.to_u32().to_string(), name)
}

/// Whether literals of the type, or of its arrays, are read by a superuser's function alone: no domain can be inside one.
pub(super) fn reads_plainly(name: &str) -> bool {
    let sql = "SELECT EXISTS (SELECT FROM pg_catalog.pg_type AS t JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
                              WHERE pg_catalog.format('%I.%I', n.nspname, t.typname) = $2 AND t.typtype IN ('e', 'b') AND t.typelem = 0)";
    asks(sql, "", name)
}

/// Whether a relation is of one of these kinds (pg_class.relkind).
pub(super) fn is_of_kind(name: &str, kinds: &str) -> bool {
    let sql = "SELECT pg_catalog.strpos($1, relkind::text) > 0 FROM pg_catalog.pg_class WHERE oid = pg_catalog.to_regclass($2)";
    asks(sql, kinds, name)
}

/// Whether the step's object exists; false for steps that set something.
pub(super) fn exists(step: &Step) -> bool {
    let sql = match step.kind.as_str() {
        "table" | "sequence" | "view" | "index" => return relation_exists(&step.name),
        "schema" => "SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE pg_catalog.quote_ident(nspname) = $2)",
        "type" => "SELECT pg_catalog.to_regtype($2) IS NOT NULL",
        "collation" => {
            "SELECT EXISTS (SELECT FROM pg_catalog.pg_collation AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.collnamespace
                            WHERE pg_catalog.format('%I.%I', n.nspname, c.collname) = $2)"
        }
        "function" => {
            // to_regprocedure() fails where a type is missing.
            "SELECT EXISTS (SELECT FROM pg_catalog.pg_proc WHERE oid::pg_catalog.regprocedure::text = $2)"
        },
        "statistics" => {
            "SELECT EXISTS (SELECT FROM pg_catalog.pg_statistic_ext AS e JOIN pg_catalog.pg_namespace AS n ON n.oid = e.stxnamespace
                            WHERE pg_catalog.format('%I.%I', n.nspname, e.stxname) = $2)"
        }
        "constraint" | "foreign key" => {
            "SELECT EXISTS (SELECT FROM pg_catalog.pg_constraint WHERE conrelid = pg_catalog.to_regclass($1) AND conname = $2::name)"
        }
        "column" => {
            "SELECT EXISTS (SELECT FROM pg_catalog.pg_attribute WHERE attrelid = pg_catalog.to_regclass($1) AND attname = $2::name
                            AND NOT attisdropped)"
        }
        // Another one that was set since stays.
        "dependent default" => {
            "SELECT atthasdef FROM pg_catalog.pg_attribute WHERE attrelid = pg_catalog.to_regclass($1) AND attname = $2::name"
        }
        // Others that were set since stay.
        "cluster" => {
            "SELECT EXISTS (SELECT FROM pg_catalog.pg_index WHERE indrelid = pg_catalog.to_regclass($1) AND indisclustered AND $2 <> '')"
        }
        // What has the index's name now may be another table's.
        "index options" | "index statistics" | "index tablespace" => {
            "SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_index WHERE indrelid = pg_catalog.to_regclass($1)
                                AND indexrelid = pg_catalog.to_regclass($2))"
        }
        // Ones that were set since stay.
        "statistics target" => {
            "SELECT (pg_catalog.to_jsonb(e) ->> 'stxstattarget')::int >= 0 FROM pg_catalog.pg_statistic_ext AS e
             JOIN pg_catalog.pg_namespace AS n ON n.oid = e.stxnamespace WHERE pg_catalog.format('%I.%I', n.nspname, e.stxname) = $2"
        }
        "toast options" => {
            "SELECT s.reloptions IS NOT NULL FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_class AS s ON s.oid = c.reltoastrelid
             WHERE c.oid = pg_catalog.to_regclass($1)"
        }
        "trigger" => {
            "SELECT EXISTS (SELECT FROM pg_catalog.pg_trigger WHERE tgrelid = pg_catalog.to_regclass($1) AND tgname = $2::name)"
        }
        "policy" => {
            "SELECT EXISTS (SELECT FROM pg_catalog.pg_policy WHERE polrelid = pg_catalog.to_regclass($1) AND polname = $2::name)"
        }
        "rule" => {
            "SELECT EXISTS (SELECT FROM pg_catalog.pg_rewrite WHERE ev_class = pg_catalog.to_regclass($1) AND rulename = $2::name)"
        }
        "partition" => {
            "SELECT relispartition FROM pg_catalog.pg_class WHERE oid = pg_catalog.to_regclass($2)"
        }
        "publication" => {
            "SELECT EXISTS (SELECT FROM pg_catalog.pg_publication_rel AS r JOIN pg_catalog.pg_publication AS p ON p.oid = r.prpubid
                            WHERE r.prrelid = pg_catalog.to_regclass($1) AND p.pubname = $2::name)"
        }
        _ => return false,
    };
    asks(sql, &step.object, &step.name)
}

/// A column's type and collation in the words of its definition, and its number.
pub(super) fn type_of(table: &str, column: &str) -> Option<(String, i16)> {
    let sql = format!(
        "SELECT pg_catalog.format_type(x.atttypid, x.atttypmod)
             || CASE WHEN x.attcollation OPERATOR(pg_catalog.<>) 0 AND x.attcollation OPERATOR(pg_catalog.<>) y.typcollation
                     THEN (SELECT pg_catalog.format(' COLLATE %I.%I', n.nspname, c.collname) FROM pg_catalog.pg_collation AS c
                           JOIN pg_catalog.pg_namespace AS n ON n.oid = c.collnamespace WHERE c.oid = x.attcollation) ELSE '' END,
             x.attnum::text
         FROM pg_catalog.pg_attribute AS x JOIN pg_catalog.pg_type AS y ON y.oid = x.atttypid
         WHERE x.attrelid = pg_catalog.to_regclass({}) AND x.attname = {} AND NOT x.attisdropped",
        literal(table),
        literal(column)
    );
    let (of_type, number) = pairs(&sql).into_iter().next()?;
    Some((of_type, number.parse().ok()?))
}

/// Whether the index that a table's replica identity was is gone, and nobody has chosen another identity.
pub(super) fn lacks_replica_identity(table: &str) -> bool {
    let sql = "SELECT relreplident = 'i' AND NOT EXISTS (SELECT FROM pg_catalog.pg_index AS i WHERE i.indrelid = c.oid AND i.indisreplident)
               FROM pg_catalog.pg_class AS c WHERE c.oid = pg_catalog.to_regclass($2)";
    asks(sql, "", table)
}

pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Rows of two texts.
pub(super) fn pairs(sql: &str) -> Vec<(String, String)> {
    let _privileged = crate::pg::privileged::Privileged::for_ddl();
    newest::select(sql, &[], |row| {
        let text = |n| crate::pg::values::RowText::text(row, n).map(Option::unwrap_or_default);
        Ok(Some((text(1)?, text(2)?)))
    })
}

fn asks(sql: &str, object: &str, name: &str) -> bool {
    ask(sql, object, name).unwrap_or(false)
}

fn ask<T: pgrx::FromDatum + pgrx::IntoDatum>(sql: &str, object: &str, name: &str) -> Option<T> {
    let _privileged = crate::pg::privileged::Privileged::for_ddl();
    let sql = &format!("SELECT ({sql})"); // one row, whatever is found
    // SAFETY: text arguments.
    let arguments = unsafe {
        [
            DatumWithOid::new(Text(object.to_owned()), pg_sys::TEXTOID),
            DatumWithOid::new(Text(name.to_owned()), pg_sys::TEXTOID),
        ]
    };
    // What this restore has made must be seen, and of what another session has altered meanwhile, the new version alone.
    newest::select(sql, &arguments, |row| row.get::<T>(1))
        .into_iter()
        .next()
}
