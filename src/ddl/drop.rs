//! DROP, by the names that it gives.

use super::names::resolve_names;
use super::object::Address;
use super::scope::{EXTENSION, Scope};
use super::typed;
use crate::judge::ddl::Kind;
use crate::model::Operation;
use crate::pg::{catalog, compat, objects, raw};
use pgrx::pg_sys::{self, ObjectType::*};

impl Scope {
    /// # Safety
    /// `statement` must be live.
    pub(super) unsafe fn drop_objects(&mut self, statement: *mut pg_sys::DropStmt) {
        // SAFETY: the caller vouches for the node; the shape of its objects follows from removeType.
        unsafe {
            let kind = (*statement).removeType;
            let cascade = (*statement).behavior == pg_sys::DropBehavior::DROP_CASCADE;
            for n in 0..raw::list_length((*statement).objects) {
                let object = raw::list_nth((*statement).objects, n) as *mut pg_sys::Node;
                match kind {
                    OBJECT_TABLE | OBJECT_FOREIGN_TABLE => {
                        if let Some(relid) = resolve_names(object.cast()) {
                            self.own_or_table(relid, Kind::DropTable, None);
                        }
                    }
                    OBJECT_SCHEMA => {
                        let name = catalog::owned(compat::string_value(object));
                        let name = name.unwrap_or_default();
                        self.schema(&name, Kind::DropTable, "DROP SCHEMA");
                        if cascade {
                            self.each_typed("DROP SCHEMA", |of_type| {
                                typed::lies_in(of_type, &name)
                            });
                        }
                    }
                    OBJECT_TYPE if cascade => {
                        let dropped =
                            pg_sys::LookupTypeNameOid(std::ptr::null_mut(), object.cast(), true);
                        self.each_typed("DROP TYPE", |of_type| of_type == dropped);
                    }
                    OBJECT_EXTENSION => {
                        let name = catalog::owned(compat::string_value(object));
                        let name = name.unwrap_or_default();
                        if name == EXTENSION {
                            self.guard(format!("extension \"{EXTENSION}\""));
                        } else if cascade {
                            let extension = typed::extension(&name);
                            self.each_typed("DROP EXTENSION", |of_type| {
                                typed::is_member(of_type, extension)
                            });
                        }
                    }
                    OBJECT_TRIGGER => self.drop_on_table(object.cast(), Kind::DropTrigger),
                    OBJECT_RULE => self.drop_on_table(object.cast(), Kind::DropRule),
                    OBJECT_VIEW => {
                        if let Some(relid) = resolve_names(object.cast()) {
                            self.own(relid);
                        }
                    }
                    OBJECT_FUNCTION | OBJECT_PROCEDURE | OBJECT_ROUTINE => {
                        let oid = pg_sys::LookupFuncWithArgs(kind, object.cast(), true);
                        self.function(oid);
                        let function = Address {
                            class: pg_sys::ProcedureRelationId,
                            oid,
                            column: 0,
                        };
                        self.used(function, true);
                    }
                    OBJECT_SEQUENCE => {
                        if let Some(relid) = resolve_names(object.cast()) {
                            self.own(relid);
                            self.altered(relid, "DROP", Operation::Drop);
                        }
                    }
                    OBJECT_INDEX => {
                        if let Some(relid) = resolve_names(object.cast()) {
                            self.own(relid);
                            self.drop_index(relid);
                        }
                    }
                    _ => {}
                }
            }
        }
    }

    /// DROP TRIGGER and DROP RULE: the table's name parts, then the object's name.
    ///
    /// # Safety
    /// `names` must be a List of String nodes.
    unsafe fn drop_on_table(&mut self, names: *mut pg_sys::List, kind: Kind) {
        // SAFETY: the last member is the trigger's or rule's name; a copy keeps the parser's tree as it is.
        unsafe {
            let count = raw::list_length(names);
            if count < 2 {
                return;
            }
            let name = raw::list_nth(names, count - 1) as *mut pg_sys::Node;
            let name = catalog::owned(compat::string_value(name)).unwrap_or_default();
            let table = pg_sys::list_truncate(pg_sys::list_copy(names), count - 1);
            let Some(relid) = resolve_names(table) else {
                return;
            };
            self.own(relid);
            // PostgreSQL itself says what is to be said of one that is not there.
            match kind {
                Kind::DropTrigger if objects::trigger_named(relid, &name).is_some() => {
                    self.trigger(relid, true, &name, Some(kind));
                }
                Kind::DropRule if objects::has_rule(relid, &name) => {
                    self.table(relid, true, kind, Some(name));
                }
                _ => {}
            }
        }
    }
}
