//! protect, unprotect, protect_columns, unprotect_columns.

use super::arguments;
use crate::ddl::everyone;
use crate::guard_triggers::{self, Wait};
use crate::judge::approval::Kind as ApprovalKind;
use crate::pg::catalog;
use crate::pg::function::Call;
use crate::pg::values::Text;
use crate::record::{self, append_only};
use crate::registry::{self, Policy};
use crate::report::{Outcome, Report, sqlstate};
use pgrx::pg_sys::{self, Datum, Oid};
use pgrx::{IntoDatum, Spi};

crate::sql_function!(pg_finfo_backstop_protect, backstop_protect, protect);
crate::sql_function!(pg_finfo_backstop_unprotect, backstop_unprotect, unprotect);
crate::sql_function!(
    pg_finfo_backstop_protect_columns,
    backstop_protect_columns,
    protect_columns
);
crate::sql_function!(
    pg_finfo_backstop_unprotect_columns,
    backstop_unprotect_columns,
    unprotect_columns
);
crate::sql_function!(
    pg_finfo_backstop_registry_changed,
    backstop_registry_changed,
    registry_changed
);

/// Runs a statement on the registry and returns the number of rows it changed. search_path is pinned by the function's
/// own SET clause, and it runs as the extension's owner.
pub(super) fn execute(sql: &str, arguments: &[pgrx::datum::DatumWithOid<'_>]) -> usize {
    let _ours = registry::Writing::begin();
    Spi::connect_mut(|client| {
        client
            .update(sql, None, arguments)
            .map(|rows| rows.len())
            .unwrap_or_else(|error| pgrx::error!("{error}"))
    })
}

fn texts(strings: Vec<String>) -> Vec<Text> {
    strings.into_iter().map(Text).collect()
}

/// A value with its type for `execute`.
pub(super) fn typed<'a, T: IntoDatum>(value: T, oid: Oid) -> pgrx::datum::DatumWithOid<'a> {
    // SAFETY: every caller names the type that T's datum has.
    unsafe { pgrx::datum::DatumWithOid::new(value, oid) }
}

unsafe fn protect(call: Call) -> Outcome<Datum> {
    // SAFETY: the types of the SQL declaration.
    let (relid, key_columns, max_rows, expendable, require, approval) = unsafe {
        (
            arguments::required::<Oid>(call, 0, "relation")?,
            arguments::texts(call, 1, "key_columns")?,
            call.arg::<i64>(2),
            call.text(3),
            arguments::required_text(call, 4, "require")?,
            arguments::required_text(call, 5, "approval")?,
        )
    };
    if expendable.is_some() {
        // Before the table's: who has written to the table, and changes a function, is waited for by nobody else meanwhile.
        record::still::registers();
    }
    let relation = arguments::table(relid, pg_sys::ShareRowExclusiveLock)?;
    everyone::require()?;
    let name = catalog::relation_name(relid)
        .map(|(_, name)| name)
        .unwrap_or_default();
    let key_columns = match key_columns {
        Some(columns) => {
            arguments::columns(&relation, relid, &columns, "key_columns")?;
            columns
        }
        None => {
            let primary = catalog::primary_key(relid);
            if primary.is_empty() {
                return Err(Report::new(
                    sqlstate::UNDEFINED_OBJECT,
                    format!("table \"{name}\" has no primary key"),
                )
                .hint("Name the columns that identify a row: backstop.protect(..., key_columns => '{...}')."));
            }
            relation
                .columns()
                .into_iter()
                .filter(|c| primary.contains(&c.attnum))
                .map(|c| c.name)
                .collect()
        }
    };
    if let Some(max_rows) = max_rows
        && max_rows < 0
    {
        return Err(Report::new(
            sqlstate::INVALID_PARAMETER,
            format!("argument \"max_rows\" must not be negative: {max_rows}"),
        ));
    }
    let expendable = match expendable {
        // SAFETY: the relation is open.
        Some(text) => Some(unsafe { record::canonical(&text, relation.0)? }),
        None => None,
    };
    // CREATE TRIGGER refuses a table that its own session holds open; the lock stays.
    drop(relation);
    let before = registry::current_even_if_off();
    let require = arguments::word(&require, "require", &["over_limit", "always"])?;
    let approval = arguments::word(
        &approval,
        "approval",
        &["session", "preview", "second_person"],
    )?;
    let approval_kind = ApprovalKind::from_name(approval);
    let asks_for_more = |known: &Policy| {
        known.key_columns != key_columns
            || (require == "always" && !known.always)
            || approval_kind.is_some_and(|kind| kind > known.approval)
    };
    if let Some(before) = before.as_deref()
        && before.own_policy(relid).is_some_and(asks_for_more)
    {
        guard_triggers::hold_children(before, relid);
    }
    execute(
        "INSERT INTO backstop.registered_table (relation, key_columns, max_rows, expendable, require, approval) \
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (relation) DO UPDATE SET key_columns = excluded.key_columns, \
         max_rows = excluded.max_rows, expendable = excluded.expendable, require = excluded.require, \
         approval = excluded.approval",
        &[
            typed(relid, pg_sys::REGCLASSOID),
            typed(texts(key_columns), pg_sys::TEXTARRAYOID),
            typed(max_rows, pg_sys::INT8OID),
            typed(expendable.map(Text), pg_sys::TEXTOID),
            typed(require, pg_sys::TEXTOID),
            typed(approval, pg_sys::TEXTOID),
        ],
    );
    judge_again(relid);
    guard_triggers::adjust_for(relid, before.as_deref());
    guard_triggers::sweep(Wait::No);
    Ok(call.null())
}

/// Plans that were judged under an earlier registration of a table are made anew, in every session: those that name it, a
/// child, or (the plan of an INSERT names no partition) what it is a partition of.
fn judge_again(relid: Oid) {
    let registry = registry::current_even_if_off();
    let family = registry.map_or_else(
        || vec![relid],
        |registry| [registry.with_children(relid), registry.ancestors(relid)].concat(),
    );
    for member in family {
        if catalog::relation_name(member).is_some() {
            registry::announce_change(member);
        }
    }
}

unsafe fn unprotect(call: Call) -> Outcome<Datum> {
    // SAFETY: the type of the SQL declaration.
    let relid = unsafe { arguments::required::<Oid>(call, 0, "relation")? };
    let name = catalog::display_name(relid);
    let before = guard_triggers::hold(relid);
    judge_again(relid);
    let removed = execute(
        "DELETE FROM backstop.registered_table WHERE relation = $1 RETURNING 1",
        &[typed(relid, pg_sys::REGCLASSOID)],
    );
    if removed == 0 {
        return Err(Report::new(
            sqlstate::UNDEFINED_OBJECT,
            format!("table \"{name}\" is not protected"),
        )
        .hint("backstop.protected_table lists what is."));
    }
    execute(
        "DELETE FROM backstop.registered_column WHERE relation = $1",
        &[typed(relid, pg_sys::REGCLASSOID)],
    );
    guard_triggers::release(&before);
    guard_triggers::sweep(Wait::Yes);
    Ok(call.null())
}

unsafe fn protect_columns(call: Call) -> Outcome<Datum> {
    // SAFETY: the types of the SQL declaration.
    let (relid, columns, upstream) = unsafe {
        (
            arguments::required::<Oid>(call, 0, "relation")?,
            arguments::texts(call, 1, "columns")?,
            arguments::required_text(call, 2, "upstream")?,
        )
    };
    let columns = columns.ok_or_else(|| {
        Report::new(
            sqlstate::NULL_NOT_ALLOWED,
            "argument \"columns\" must not be null",
        )
    })?;
    let relation = arguments::table(relid, pg_sys::ShareRowExclusiveLock)?;
    everyone::require()?;
    arguments::columns(&relation, relid, &columns, "columns")?;
    drop(relation);
    if upstream.trim().is_empty() {
        return Err(Report::new(
            sqlstate::INVALID_PARAMETER,
            "argument \"upstream\" must not be empty",
        ));
    }
    let before = registry::current_even_if_off();
    execute(
        "INSERT INTO backstop.registered_column (relation, column_name, upstream) \
         SELECT $1, name, $3 FROM unnest($2) AS name \
         ON CONFLICT (relation, column_name) DO UPDATE SET upstream = excluded.upstream",
        &[
            typed(relid, pg_sys::REGCLASSOID),
            typed(texts(columns), pg_sys::TEXTARRAYOID),
            typed(Text(upstream), pg_sys::TEXTOID),
        ],
    );
    judge_again(relid);
    guard_triggers::adjust_for(relid, before.as_deref());
    guard_triggers::sweep(Wait::No);
    let registry = registry::current_even_if_off();
    if registry.is_some_and(|registry| registry.policies(relid, false).is_empty()) {
        let name = catalog::display_name(relid);
        pgrx::notice!(
            "table {name} is not protected: of the rules, only the one about upstreams holds for it (SELECT \
             backstop.protect('{name}') for the others)"
        );
    }
    Ok(call.null())
}

unsafe fn unprotect_columns(call: Call) -> Outcome<Datum> {
    // SAFETY: the types of the SQL declaration.
    let (relid, columns) = unsafe {
        (
            arguments::required::<Oid>(call, 0, "relation")?,
            arguments::texts(call, 1, "columns")?,
        )
    };
    let columns = columns.ok_or_else(|| {
        Report::new(
            sqlstate::NULL_NOT_ALLOWED,
            "argument \"columns\" must not be null",
        )
    })?;
    if columns.is_empty() {
        return Err(Report::new(
            sqlstate::INVALID_PARAMETER,
            "argument \"columns\" must name a column",
        ));
    }
    let before = guard_triggers::hold(relid);
    judge_again(relid);
    let name = catalog::display_name(relid);
    for column in &columns {
        let removed = execute(
            "DELETE FROM backstop.registered_column WHERE relation = $1 AND column_name = $2 RETURNING 1",
            &[
                typed(relid, pg_sys::REGCLASSOID),
                typed(Text(column.clone()), pg_sys::TEXTOID),
            ],
        );
        if removed == 0 {
            return Err(Report::new(
                sqlstate::UNDEFINED_OBJECT,
                format!("column \"{column}\" of table \"{name}\" is not protected"),
            )
            .hint("backstop.protected_column lists what is."));
        }
    }
    guard_triggers::release(&before);
    guard_triggers::sweep(Wait::Yes);
    Ok(call.null())
}

/// The registry tables' statement trigger.
unsafe fn registry_changed(call: Call) -> Outcome<Datum> {
    // SAFETY: checked to be a trigger's call.
    unsafe {
        let data = (*call.0).context as *mut pg_sys::TriggerData;
        if data.is_null() || (*data).type_ != pg_sys::NodeTag::T_TriggerData {
            return Err(Report::new(
                "39P01",
                "backstop.registry_changed() must be called as a trigger",
            ));
        }
        let relid = (*(*data).tg_relation).rd_id;
        // The hooks refuse before any trigger runs, so this is where the library was not loaded when the statement began.
        let inserts =
            (*data).tg_event & pg_sys::TRIGGER_EVENT_OPMASK == pg_sys::TRIGGER_EVENT_INSERT;
        if !inserts && let Some(violation) = append_only::violation(relid) {
            return Err(violation.into());
        }
        registry::announce_change(relid);
        if !registry::is_writing() {
            registry::loaded_by_hand();
        }
    }
    Ok(Datum::null())
}
