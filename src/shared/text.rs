//! A short text of fixed size.

use crate::pg::encoding;
use pgrx::pg_sys;

/// At most `N` bytes of text in the database's encoding; a longer one ends with `...`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Text<const N: usize> {
    length: u16,
    bytes: [u8; N],
}

const CUT: &[u8] = b"...";

impl<const N: usize> Text<N> {
    pub const fn empty() -> Text<N> {
        Text {
            length: 0,
            bytes: [0; N],
        }
    }

    /// `text`, cut between characters if it is too long.
    pub fn of(text: &[u8]) -> Text<N> {
        let mut made = Text::empty();
        let kept = if text.len() <= N {
            text.len()
        } else {
            // SAFETY: reads `text.len()` bytes and no further.
            let whole = unsafe {
                pg_sys::pg_mbcliplen(
                    text.as_ptr().cast(),
                    i32::try_from(text.len()).unwrap_or(i32::MAX),
                    (N - CUT.len()) as i32,
                )
            };
            usize::try_from(whole).unwrap_or(0).min(N - CUT.len())
        };
        made.bytes[..kept].copy_from_slice(&text[..kept]);
        made.length = kept as u16;
        if kept < text.len() {
            made.bytes[kept..kept + CUT.len()].copy_from_slice(CUT);
            made.length += CUT.len() as u16;
        }
        made
    }

    /// Rust's text, as the database has it.
    pub fn of_text(text: &str) -> Text<N> {
        Text::of(&encoding::encode(text))
    }

    /// Bytes as they are; none when there are too many.
    pub fn exactly(bytes: &[u8]) -> Text<N> {
        let mut made = Text::empty();
        if bytes.len() <= N {
            made.bytes[..bytes.len()].copy_from_slice(bytes);
            made.length = bytes.len() as u16;
        }
        made
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length).min(N)]
    }

    /// `None` when it is empty.
    pub fn some(&self) -> Option<&[u8]> {
        Some(self.as_bytes()).filter(|bytes| !bytes.is_empty())
    }
}
