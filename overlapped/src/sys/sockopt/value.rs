//! Values of options as bytes.

/// The most bytes of a value that is read.
pub(super) const MOST_ROOM: usize = 1024;

/// A value of an option, as the bytes that the system reads and writes.
///
/// Numbers are in the machine's order of bytes. `bool` is an `int`, as for most options. `Vec<u8>`
/// and arrays are the bytes themselves, for structures of the system; reading gives at most 1,024.
///
/// ```
/// use overlapped::sockopt::{OptionValue, SocketOption};
///
/// /// `struct ucred` of Linux.
/// #[derive(Debug)]
/// struct Credentials { pid: i32, uid: u32, gid: u32 }
///
/// impl OptionValue for Credentials {
///     fn from_bytes(bytes: &[u8]) -> Option<Credentials> {
///         let (pid, ids) = bytes.split_first_chunk()?;
///         let (uid, gid) = ids.split_first_chunk()?;
///         Some(Credentials {
///             pid: i32::from_ne_bytes(*pid),
///             uid: u32::from_ne_bytes(*uid),
///             gid: u32::from_ne_bytes(gid.try_into().ok()?),
///         })
///     }
///     fn to_bytes(&self) -> Vec<u8> {
///         unreachable!("the system only gives it")
///     }
/// }
///
/// /// `SO_PEERCRED` of Linux.
/// const PEER: SocketOption<Credentials> = SocketOption::new(1, 17);
/// ```
pub trait OptionValue: Sized {
    /// How many bytes the longest value has. Windows is asked for so many, and a longer value is
    /// cut there; elsewhere a longer value is [none](OptionValue::from_bytes) of this type.
    const ROOM: usize = MOST_ROOM;

    /// The value that the system has given. `None` if these bytes are not a value of this type.
    fn from_bytes(bytes: &[u8]) -> Option<Self>;

    /// The bytes to give to the system.
    fn to_bytes(&self) -> Vec<u8>;
}

macro_rules! numbers {
    ($($number:ty),*) => {
        $(impl OptionValue for $number {
            const ROOM: usize = size_of::<$number>();
            fn from_bytes(bytes: &[u8]) -> Option<$number> {
                match bytes {
                    // Some systems give small values as one byte.
                    [byte] => Some((*byte).into()),
                    bytes => Some(<$number>::from_ne_bytes(bytes.try_into().ok()?)),
                }
            }
            fn to_bytes(&self) -> Vec<u8> {
                self.to_ne_bytes().into()
            }
        })*
    };
}

numbers!(u16, i32, u32, i64, u64);

impl OptionValue for u8 {
    const ROOM: usize = 4;
    fn from_bytes(bytes: &[u8]) -> Option<u8> {
        u32::from_bytes(bytes)?.try_into().ok()
    }
    fn to_bytes(&self) -> Vec<u8> {
        vec![*self]
    }
}

impl OptionValue for bool {
    const ROOM: usize = 4;
    fn from_bytes(bytes: &[u8]) -> Option<bool> {
        Some(i32::from_bytes(bytes)? != 0)
    }
    fn to_bytes(&self) -> Vec<u8> {
        i32::from(*self).to_bytes()
    }
}

impl<const N: usize> OptionValue for [u8; N] {
    const ROOM: usize = N;
    fn from_bytes(bytes: &[u8]) -> Option<[u8; N]> {
        bytes.try_into().ok()
    }
    fn to_bytes(&self) -> Vec<u8> {
        self.as_slice().into()
    }
}

impl OptionValue for Vec<u8> {
    fn from_bytes(bytes: &[u8]) -> Option<Vec<u8>> {
        Some(bytes.into())
    }
    fn to_bytes(&self) -> Vec<u8> {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_another_size_is_none_and_a_byte_is_a_number() {
        assert_eq!(i32::from_bytes(&(-5i32).to_bytes()), Some(-5));
        assert_eq!(
            (i32::from_bytes(&[7]), u8::from_bytes(&[7, 0, 0, 0].map(u8::to_be))),
            (Some(7), u8::from_bytes(&7u32.to_ne_bytes()))
        );
        assert_eq!(
            (i32::from_bytes(&[0; 8]), bool::from_bytes(&[0; 8]), <[u8; 3]>::from_bytes(&[0; 4])),
            (None, None, None)
        );
        assert_eq!((bool::from_bytes(&2i32.to_bytes()), bool::from_bytes(&[0])), (Some(true), Some(false)));
        assert_eq!(u8::from_bytes(&256u32.to_bytes()), None);
    }
}
