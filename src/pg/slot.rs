//! Tuple table slots: what tuptable.h does inline.

use crate::pg::{compat, raw};
use pgrx::pg_sys::{self, Datum};
use std::ffi::c_int;

/// A slot, by attribute place (from 0).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(pub *mut pg_sys::TupleTableSlot);

impl Slot {
    /// A slot for rows built by hand.
    ///
    /// # Safety
    /// `desc` must outlive the slot.
    pub unsafe fn virtual_of(desc: pg_sys::TupleDesc) -> Slot {
        // SAFETY: the caller vouches for desc.
        Slot(unsafe { pg_sys::MakeSingleTupleTableSlot(desc, &raw const pg_sys::TTSOpsVirtual) })
    }

    /// The number of attributes, dropped ones included.
    pub fn width(self) -> usize {
        // SAFETY: a slot of ours is live and has a descriptor.
        unsafe { (*(*self.0).tts_tupleDescriptor).natts as usize }
    }

    /// `ExecClearTuple`.
    ///
    /// # Safety
    /// The slot must be live.
    pub unsafe fn clear(self) {
        // SAFETY: every kind of slot has its callbacks.
        unsafe {
            if let Some(clear) = (*(*self.0).tts_ops).clear {
                pg_sys::submodules::ffi::pg_guard_ffi_boundary(|| clear(self.0));
            }
        }
    }

    /// Empties a virtual slot and makes it a row of NULLs.
    ///
    /// # Safety
    /// The slot must be virtual and live.
    pub unsafe fn start(self) {
        // SAFETY: the arrays have one place per attribute.
        unsafe {
            self.clear();
            let width = self.width();
            std::slice::from_raw_parts_mut((*self.0).tts_isnull, width).fill(true);
            std::slice::from_raw_parts_mut((*self.0).tts_values, width).fill(Datum::from(0));
        }
    }

    /// `ExecStoreVirtualTuple`: the values set since `start` are the slot's row.
    ///
    /// # Safety
    /// As for `start`.
    pub unsafe fn store(self) {
        // SAFETY: the caller vouches for the slot.
        unsafe {
            (*self.0).tts_flags &= !(pg_sys::TTS_FLAG_EMPTY as u16);
            (*self.0).tts_nvalid = self.width() as i16;
        }
    }

    /// Takes all attributes out of the slot's tuple (`slot_getallattrs`).
    ///
    /// # Safety
    /// The slot must hold a row.
    pub unsafe fn fetch_all(self) {
        // SAFETY: the caller vouches for the slot.
        unsafe {
            let width = self.width();
            if ((*self.0).tts_nvalid as usize) < width {
                raw::slot_getsomeattrs_int(self.0, width as c_int);
            }
        }
    }

    /// Copies the values, which may be another slot's, into the current memory context. (What ExecMaterializeSlot copies
    /// goes with the slot's row, and other slots may have been given it by then.)
    ///
    /// # Safety
    /// The slot must be virtual and hold a row.
    pub unsafe fn keep(self) {
        // SAFETY: the caller vouches for the slot; a value is copied as its attribute's type says.
        unsafe {
            for place in 0..self.width() {
                let attribute = compat::attribute((*self.0).tts_tupleDescriptor, place);
                if let Some(value) = self.get(place).filter(|_| !attribute.attbyval) {
                    let copy = pg_sys::submodules::ffi::pg_guard_ffi_boundary(|| {
                        raw::datumCopy(value, false, attribute.attlen.into())
                    });
                    self.set(place, Some(copy));
                }
            }
        }
    }

    /// The attribute's value, `None` for NULL.
    ///
    /// # Safety
    /// `place` must have been set or fetched.
    pub unsafe fn get(self, place: usize) -> Option<Datum> {
        // SAFETY: the caller vouches for the place.
        unsafe {
            if *(*self.0).tts_isnull.add(place) {
                None
            } else {
                Some(*(*self.0).tts_values.add(place))
            }
        }
    }

    /// # Safety
    /// The slot must be virtual and have the place.
    pub unsafe fn set(self, place: usize, value: Option<Datum>) {
        // SAFETY: the caller vouches for the place.
        unsafe {
            *(*self.0).tts_isnull.add(place) = value.is_none();
            *(*self.0).tts_values.add(place) = value.unwrap_or(Datum::from(0));
        }
    }

    /// Where the slot's row is.
    pub fn tid(self) -> pg_sys::ItemPointerData {
        // SAFETY: a slot of ours is live.
        unsafe { (*self.0).tts_tid }
    }

    /// Asks the processor for the row that a scan of the table comes to next. Rows that were loaded in order lie one below
    /// the other in their page, and a scan looks at their headers only: what reads their values would wait for each row's
    /// memory, an eighth of what recording a row takes.
    ///
    /// # Safety
    /// The slot must hold a row.
    pub unsafe fn prefetch_next(self) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a slot with these callbacks is a HeapTupleTableSlot that holds a physical tuple. A prefetch reads nothing:
        // any address will do.
        unsafe {
            use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            /// A row of more than this is not waited for longer than what is done with it takes.
            const LONGEST: usize = 512;
            const LINE: usize = 64;
            if (*self.0).tts_ops != &raw const pg_sys::TTSOpsBufferHeapTuple {
                return;
            }
            let tuple = (*(self.0 as *mut pg_sys::HeapTupleTableSlot)).tuple;
            let (row, length) = ((*tuple).t_data.cast::<i8>(), (*tuple).t_len as usize);
            for distance in (LINE..length.min(LONGEST) + LINE).step_by(LINE) {
                _mm_prefetch(row.wrapping_sub(distance), _MM_HINT_T0);
            }
        }
    }

    /// Whether transaction `xid` wrote the row version in the slot.
    ///
    /// # Safety
    /// The slot must hold a row that came from its table.
    pub unsafe fn written_by(self, xid: pg_sys::TransactionId) -> bool {
        // SAFETY: a slot with these callbacks is a HeapTupleTableSlot that holds a physical tuple.
        unsafe {
            if (*self.0).tts_ops != &raw const pg_sys::TTSOpsBufferHeapTuple {
                return false;
            }
            let tuple = (*(self.0 as *mut pg_sys::HeapTupleTableSlot)).tuple;
            !tuple.is_null() && (*(*tuple).t_data).t_choice.t_heap.t_xmin == xid
        }
    }
}
