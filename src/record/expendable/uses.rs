//! What an `expendable` expression is built of: who changes that changes which rows count.

use super::nodes::{any, calls, cast, operators, selects, uses, variable, written};
use super::{followed, read, rights};
use crate::ddl::object::Address;
use crate::pg::acting::ActingAs;
use crate::pg::catalog::{self, OpenRelation};
use crate::pg::settings::OwnSettings;
use crate::pg::undone::undone;
use crate::pg::{objects, types};
use crate::registry::{Policy, Registry};
use pgrx::pg_sys::{self, Node, Oid};
use std::collections::HashMap;
use std::rc::Rc;

/// The policies whose expression calls the function, or one that comes to it, is told by the operator or the cast, or names the
/// type or the collation. `goes`: the object is dropped, which makes no expression readable that isn't; what takes its place is met then.
pub fn built_of(registry: &Registry, object: Address, goes: bool) -> Vec<Rc<Policy>> {
    // What initdb made is nobody's to change, short of a superuser who edits the catalogs.
    if object.oid.to_u32() < pg_sys::FirstNormalObjectId {
        return Vec::new();
    }
    let through = match object.class == pg_sys::ProcedureRelationId && concern(registry) {
        true => followed::leading_to(object.oid),
        false => Vec::new(),
    };
    // SAFETY: the nodes are those of an analysed expression.
    let uses = |node| unsafe { uses(node, object) || calls(node, &|oid| through.contains(&oid)) };
    let name = in_words(object).filter(|_| !goes);
    let search = Search {
        all: true,
        text: &|text| name.as_deref().is_some_and(|name| has_word(text, name)),
    };
    policies(registry, search, |_, tree| any(tree, &uses))
}

/// The policies whose expression calls a function of the same name and schema, or uses such an operator: by the types of
/// its arguments, what is looked up by name may become the new one. A type is found again by its name alone, where that
/// cannot be found at the moment.
pub fn overloaded_by(registry: &Registry, object: Address) -> Vec<Rc<Policy>> {
    let Some(made) = objects::named(object.class, object.oid) else {
        return Vec::new();
    };
    let called = |oid: Oid| objects::named(object.class, oid).is_some_and(|used| used == made);
    let class_is = |class: Oid| object.class == class;
    // SAFETY: the nodes are those of an analysed expression.
    let uses = |node: *mut Node| unsafe {
        if class_is(pg_sys::ProcedureRelationId) {
            calls(node, &called)
        } else {
            class_is(pg_sys::OperatorRelationId) && operators(node).into_iter().any(&called)
        }
    };
    let name = in_words(object).unwrap_or_default();
    // IS DISTINCT FROM, IN and others don't write their operator.
    let search = Search {
        all: false,
        text: &|text| class_is(pg_sys::OperatorRelationId) || has_word(text, &name),
    };
    policies(registry, search, |_, tree| any(tree, &uses))
}

/// The policies whose expression converts from one type to another as a new cast does: by its function from now on, where it
/// was done by their texts.
pub fn converting(registry: &Registry, new_cast: Oid) -> Vec<Rc<Policy>> {
    let Some(made) = objects::cast(new_cast) else {
        return Vec::new();
    };
    // SAFETY: the nodes are those of an analysed expression.
    let converts = |node| unsafe { cast(node) == Some(made) };
    let search = Search {
        all: true,
        text: &|_| true,
    };
    policies(registry, search, |_, tree| any(tree, &converts))
}

/// The policies whose expression writes the schema's name: that of a function, an operator, a type or a collation in it.
pub fn naming_schema(registry: &Registry, schema: &str) -> Vec<Rc<Policy>> {
    let dotted = format!("{}.", catalog::quoted(schema));
    let name = crate::pg::encoding::c_string(schema);
    // SAFETY: a syscache look-up; missing_ok.
    let schema = unsafe { pg_sys::get_namespace_oid(name.as_ptr(), true) };
    let lies_in = |(class, oid)| objects::named(class, oid).is_some_and(|(_, of)| of == schema);
    // SAFETY: the nodes are those of an analysed expression.
    let names = |node| unsafe { written(node) }.into_iter().any(lies_in);
    let search = Search {
        all: false,
        text: &|text| has_word(text, &dotted),
    };
    policies(registry, search, |_, tree| any(tree, &names))
}

/// The policies whose expression selects a field of a composite value: of the row type of `relid`, the one of that number
/// and name.
pub fn selecting(registry: &Registry, relid: Oid, attnum: i16, name: &str) -> Vec<Rc<Policy>> {
    let dotted = format!(".{}", catalog::quoted(name));
    // SAFETY: the nodes are those of an analysed expression.
    let selects = |node| unsafe { selects(node, relid, attnum) };
    let search = Search {
        all: false,
        text: &|text| has_word(text, &dotted),
    };
    policies(registry, search, |_, tree| any(tree, &selects))
}

/// Whether the policy's expression names the column; by its words, where it cannot be read.
pub fn names_column(policy: &Policy, column: &str) -> bool {
    let text = policy.expendable.as_deref().unwrap_or_default();
    if !text.contains(&column.replace('"', "\"\"")) {
        return false;
    }
    let Some(attnum) = objects::column(policy.relid, column) else {
        return true;
    };
    // SAFETY: the nodes are those of an analysed expression.
    let is = |node| unsafe { variable(node) == Some(attnum) };
    match read_with(policy, |tree| any(tree, &is)) {
        Answer::Read(named) => named,
        Answer::Unreadable => true,
        Answer::Gone => false,
    }
}

/// Whether any policy has such an expression.
pub fn concern(registry: &Registry) -> bool {
    let mut policies = registry.tables().flat_map(|table| &table.policies);
    policies.any(|policy| policy.expendable.is_some())
}

/// Which expressions are looked at.
pub(super) struct Search<'a> {
    /// Also those whose text `text` doesn't find: not all that an expression is built of is written in it.
    pub all: bool,
    /// Whether the text may name what is looked for. An expression that cannot be read at the moment may be about to mean
    /// something else when it can: its text decides.
    pub text: &'a dyn Fn(&str) -> bool,
}

/// The policies whose expression, as it is read now, is `wanted`.
pub(super) fn policies(
    registry: &Registry,
    search: Search,
    wanted: impl Fn(&Policy, *mut Node) -> bool,
) -> Vec<Rc<Policy>> {
    let mut found: HashMap<Oid, Rc<Policy>> = HashMap::new();
    for policy in registry.tables().flat_map(|table| &table.policies) {
        // What is not built in is written with its schema, or done to a column of such a type: for other expressions no
        // table needs to be locked.
        let text = policy.expendable.as_deref().unwrap_or_default();
        let outside =
            text.contains('.') || (!text.is_empty() && types::has_own_types(policy.relid));
        if !outside || found.contains_key(&policy.relid) || !(search.all || (search.text)(text)) {
            continue;
        }
        let is_wanted = match read_with(policy, |tree| wanted(policy, tree)) {
            Answer::Read(wanted) => wanted,
            Answer::Unreadable => (search.text)(text),
            Answer::Gone => false,
        };
        if is_wanted {
            found.insert(policy.relid, policy.clone());
        }
    }
    let mut found: Vec<Rc<Policy>> = found.into_values().collect();
    found.sort_by_key(|policy| policy.relid.to_u32());
    found
}

/// What came of looking at a policy's expression.
enum Answer<R> {
    Read(R),
    /// PostgreSQL cannot read it, or not now.
    Unreadable,
    /// Its table is no more.
    Gone,
}

/// What `work` makes of the policy's expression, which is read as the table's owner, whoever asks.
fn read_with<R>(policy: &Policy, work: impl Fn(*mut Node) -> R) -> Answer<R> {
    let Some(text) = policy.expendable.as_ref() else {
        return Answer::Gone;
    };
    undone(|| {
        let _pinned = OwnSettings::pinned();
        let Some(relation) = OpenRelation::open(policy.relid, pg_sys::AccessShareLock) else {
            return Answer::Gone;
        };
        // SAFETY: the relation is open.
        unsafe {
            let _acting = ActingAs::owner_of(relation.0);
            Answer::Read(work(read::analyse(text, relation.0)))
        }
    })
    .unwrap_or(Answer::Unreadable)
}

/// Whether the policy's expression can still be read, and may be evaluated.
pub fn is_readable(policy: &Policy) -> bool {
    let owner = rights::owner(policy);
    // SAFETY: the tree is an analysed expression.
    let answer = read_with(policy, |tree| unsafe { rights::lacking(tree, owner) });
    policy.expendable.is_none() || matches!(answer, Answer::Read(None))
}

/// The words by which an expression names an object. What is not in pg_catalog is written with its schema.
fn in_words(object: Address) -> Option<String> {
    let (name, schema) = objects::named(object.class, object.oid)?;
    // SAFETY: a syscache look-up; NULL for a schema that is gone.
    let schema = unsafe { catalog::owned(pg_sys::get_namespace_name(schema))? };
    let operator = object.class == pg_sys::OperatorRelationId;
    Some(match operator {
        true => format!("{}.{name}", catalog::quoted(&schema)),
        false => catalog::qualified(&schema, &name),
    })
}

/// Whether the text has `word` other than as a part of a longer name.
fn has_word(text: &str, word: &str) -> bool {
    let in_name = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    text.match_indices(word).any(|(start, found)| {
        let before = text[..start].chars().next_back().is_some_and(in_name);
        let after = text[start + found.len()..]
            .chars()
            .next()
            .is_some_and(in_name);
        let (first, last) = (word.starts_with(in_name), word.ends_with(in_name));
        !(first && before || last && after)
    })
}
