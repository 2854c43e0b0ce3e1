//! What `expendable` expressions are built of, or could be from now on.

use super::object::Address;
use super::scope::Scope;
use crate::pg::definitions::{self, Change};
use crate::pg::{catalog, objects};
use crate::record::uses;
use pgrx::pg_sys::Oid;

impl Scope {
    /// Something that an `expendable` expression may be built of. `goes`: it is dropped.
    pub(super) fn used(&mut self, address: Address, goes: bool) {
        let policies = uses::built_of(&self.registry, address, goes);
        if !policies.is_empty() {
            let what = objects::described(address.class, address.oid);
            self.expendable(policies, format!("change of {what}"));
        }
    }

    /// What may be, or come between, what an `expendable` expression names and what that has meant until now.
    pub(super) fn made_or_changed(&mut self, address: Address) {
        let Address { class, oid, .. } = address;
        if class == objects::CAST_RELATION {
            let policies = uses::converting(&self.registry, oid);
            self.expendable(policies, "new cast".to_owned());
            return;
        }
        match definitions::change(class, oid) {
            Change::Changed => self.used(address, false),
            Change::Renamed => {
                self.used(address, false);
                self.overload(address);
            }
            Change::Made => self.overload(address),
            Change::Unchanged => {}
        }
    }

    /// What may be meant from now on by what an `expendable` expression writes.
    fn overload(&mut self, address: Address) {
        let policies = uses::overloaded_by(&self.registry, address);
        let name = objects::named(address.class, address.oid)
            .unwrap_or_default()
            .0;
        self.expendable(policies, format!("overload of \"{name}\""));
    }

    /// A field of composite values, as an `expendable` expression may select it.
    pub(super) fn field(&mut self, relid: Oid, attnum: i16, name: &str) {
        let policies = uses::selecting(&self.registry, relid, attnum, name);
        let of = catalog::display_name(relid);
        self.expendable(policies, format!("change of field \"{name}\" of {of}"));
    }
}
