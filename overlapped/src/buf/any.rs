//! A buffer of any type, as an operation owns it.

use std::any::TypeId;
use std::fmt;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ptr::NonNull;

use super::kinds::{RecvBuf, SendBuf};

/// Words of a buffer handle that fit without a box: two `Vec`s, or one `Bytes` and some.
const INLINE_WORDS: usize = 6;

/// Is called with a part; returns whether it wants the next one.
type See<'a> = dyn FnMut(*mut u8, usize) -> bool + 'a;

struct VTable {
    type_id: fn() -> TypeId,
    type_name: fn() -> &'static str,
    drop: unsafe fn(*mut u8),
    parts: unsafe fn(*const u8) -> usize,
    part: unsafe fn(*mut u8, usize) -> (*mut u8, usize),
    each: unsafe fn(*mut u8, &mut See<'_>),
    set_received: unsafe fn(*mut u8, usize),
    boxed: bool,
}

struct SendTable<B>(std::marker::PhantomData<B>);
struct RecvTable<B>(std::marker::PhantomData<B>);
struct KeepTable<B>(std::marker::PhantomData<B>);

const fn boxed<B>() -> bool {
    size_of::<B>() > INLINE_WORDS * size_of::<usize>() || align_of::<B>() > align_of::<usize>()
}

/// # Safety
/// `p` points to a `B` (or, if it is `boxed`, to the box's pointer).
unsafe fn drop_as<B>(p: *mut u8) {
    // SAFETY: by the caller; `AnyBuf` calls this once, at its end.
    unsafe { if boxed::<B>() { drop(p.cast::<Box<B>>().read()) } else { p.cast::<B>().drop_in_place() } }
}

/// # Safety
/// As for `drop_as`, and nothing else refers to the value while the result is used.
unsafe fn value<'a, B>(p: *mut u8) -> &'a mut B {
    // SAFETY: by the caller. A box is stored as its pointer.
    unsafe { if boxed::<B>() { &mut **p.cast::<*mut B>() } else { &mut *p.cast::<B>() } }
}

/// # Safety
/// As for `drop_as`, and nothing changes the value while the result is used.
unsafe fn value_ref<'a, B>(p: *const u8) -> &'a B {
    // SAFETY: by the caller. A box is stored as its pointer.
    unsafe { if boxed::<B>() { &**p.cast::<*const B>() } else { &*p.cast::<B>() } }
}

impl<B: SendBuf> SendTable<B> {
    const TABLE: VTable = VTable {
        type_id: TypeId::of::<B>,
        type_name: std::any::type_name::<B>,
        drop: drop_as::<B>,
        // SAFETY: the table is stored beside a value of type `B` only.
        parts: |p| unsafe { value_ref::<B>(p).parts() },
        part: |p, i| {
            // SAFETY: as above. The pointer loses its `const`, but senders only read through it.
            let (ptr, len) = unsafe { value::<B>(p).part(i) };
            (ptr.cast_mut(), len)
        },
        each: |p, see| {
            // SAFETY: as above.
            unsafe { value::<B>(p).each_part(&mut |ptr, len| see(ptr.cast_mut(), len)) };
        },
        set_received: |_, _| {},
        boxed: boxed::<B>(),
    };
}

impl<B: RecvBuf> RecvTable<B> {
    const TABLE: VTable = VTable {
        type_id: TypeId::of::<B>,
        type_name: std::any::type_name::<B>,
        drop: drop_as::<B>,
        // SAFETY: the table is stored beside a value of type `B` only.
        parts: |p| unsafe { value_ref::<B>(p).parts() },
        // SAFETY: as above.
        part: |p, i| unsafe { value::<B>(p).part_mut(i) },
        each: |p, see| {
            // SAFETY: as above.
            unsafe { value::<B>(p).each_part_mut(see) };
        },
        // SAFETY: as above, and `AnyBuf::set_received` has the trait's condition.
        set_received: |p, n| unsafe { value::<B>(p).set_received(n) },
        boxed: boxed::<B>(),
    };
}

impl<B: 'static> KeepTable<B> {
    const TABLE: VTable = VTable {
        type_id: TypeId::of::<B>,
        type_name: std::any::type_name::<B>,
        drop: drop_as::<B>,
        parts: |_| 0,
        part: |_, _| unreachable!("it has no parts"),
        each: |_, _| {},
        set_received: |_, _| {},
        boxed: boxed::<B>(),
    };
}

/// A buffer of any type, as an operation holds it: get it back with [`take`](AnyBuf::take).
///
/// Handles of up to six words (a `Vec`, a `Bytes`, an array of two `Vec`s) are kept without an
/// allocation.
pub struct AnyBuf {
    table: &'static VTable,
    // Plain words, not a `B`: moving an `AnyBuf` then does not claim that the memory behind the
    // handle is unique.
    data: [MaybeUninit<usize>; INLINE_WORDS],
    /// Buffers of a driver stay on its thread unless the layer above asks for `Send` ones.
    not_send: std::marker::PhantomData<*const ()>,
}

impl AnyBuf {
    fn with_table<B: 'static>(buf: B, table: &'static VTable) -> AnyBuf {
        let mut any = AnyBuf { table, data: [MaybeUninit::uninit(); INLINE_WORDS], not_send: std::marker::PhantomData };
        let place = any.data.as_mut_ptr();
        if table.boxed {
            // SAFETY: the first word has room for a pointer.
            unsafe { place.cast::<*mut B>().write(Box::into_raw(Box::new(buf))) };
        } else {
            // SAFETY: not boxed means that size and alignment fit.
            unsafe { place.cast::<B>().write(buf) };
        }
        any
    }

    /// Erases the type of a buffer that will be sent.
    pub fn to_send<B: SendBuf>(buf: B) -> AnyBuf {
        AnyBuf::with_table(buf, const { &SendTable::<B>::TABLE })
    }

    /// Erases the type of a buffer that will be received into.
    pub fn to_recv<B: RecvBuf>(buf: B) -> AnyBuf {
        AnyBuf::with_table(buf, const { &RecvTable::<B>::TABLE })
    }

    /// Keeps something that is no buffer in the place of one. It has no parts.
    pub(crate) fn to_keep<B: 'static>(kept: B) -> AnyBuf {
        AnyBuf::with_table(kept, const { &KeepTable::<B>::TABLE })
    }

    /// The buffer itself, or this again if it is of another type.
    pub fn take<B: 'static>(self) -> Result<B, AnyBuf> {
        if !self.is::<B>() {
            return Err(self);
        }
        let this = ManuallyDrop::new(self);
        let place = this.data.as_ptr();
        // SAFETY: the type is right, and `this` is not dropped, so the value is moved out once.
        Ok(unsafe {
            if this.table.boxed { *Box::from_raw(place.cast::<*mut B>().read()) } else { place.cast::<B>().read() }
        })
    }

    /// Whether the buffer is of this type.
    pub fn is<B: 'static>(&self) -> bool {
        (self.table.type_id)() == TypeId::of::<B>()
    }

    /// How many parts there are.
    pub(crate) fn parts(&self) -> usize {
        // SAFETY: the table matches the value.
        unsafe { (self.table.parts)(self.data.as_ptr().cast()) }
    }

    /// Where part `i` begins and how many bytes it has.
    pub(crate) fn part(&mut self, i: usize) -> (*mut u8, usize) {
        let place = self.data.as_mut_ptr().cast();
        // SAFETY: the table matches the value.
        unsafe { (self.table.part)(place, i) }
    }

    /// Calls `see` with the start and the length of each part, in order, until it returns `false`.
    pub(crate) fn each(&mut self, see: &mut See<'_>) {
        let place = self.data.as_mut_ptr().cast();
        // SAFETY: the table matches the value.
        unsafe { (self.table.each)(place, see) }
    }

    /// Bytes in all parts together.
    pub(crate) fn total(&mut self) -> u64 {
        let mut total = 0;
        self.each(&mut |_, len| {
            total += len as u64;
            true
        });
        total
    }

    /// Whether any part has room.
    pub(crate) fn has_room(&mut self) -> bool {
        let mut room = false;
        self.each(&mut |_, len| {
            room = len > 0;
            !room
        });
        room
    }

    /// # Safety
    /// That many bytes of the parts, in order, have been initialised.
    pub(crate) unsafe fn set_received(&mut self, bytes: usize) {
        let place = self.data.as_mut_ptr().cast();
        // SAFETY: the table matches the value; the rest by the caller.
        unsafe { (self.table.set_received)(place, bytes) }
    }

    /// The first non-empty stretch of memory from byte `skip` on, if one part holds all the rest;
    /// `None` if several do.
    pub(crate) fn single(&mut self, skip: u64) -> Option<(NonNull<u8>, usize)> {
        if self.parts() != 1 {
            return None;
        }
        let (ptr, len) = self.part(0);
        let skip = usize::try_from(skip).ok().filter(|skip| *skip <= len)?;
        // SAFETY: within the part.
        let ptr = NonNull::new(unsafe { ptr.add(skip) })?;
        Some((ptr, len - skip))
    }
}

impl Drop for AnyBuf {
    fn drop(&mut self) {
        // SAFETY: the table matches the value, which has not been taken.
        unsafe { (self.table.drop)(self.data.as_mut_ptr().cast()) }
    }
}

impl fmt::Debug for AnyBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AnyBuf({})", (self.table.type_name)())
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use bytes::{Bytes, BytesMut};

    use super::*;

    #[test]
    fn memory_stays_where_it_is_when_the_handle_moves() {
        fn check<B: SendBuf>(buf: B) {
            let before = buf.part(0);
            let mut moved = AnyBuf::to_send(buf);
            assert_eq!(moved.part(0).0.cast_const(), before.0);
            let mut again = Box::new(moved);
            assert_eq!(again.part(0), (before.0.cast_mut(), before.1));
        }
        check(b"abc".to_vec());
        check(Bytes::from_static(b"x"));
        check(Bytes::copy_from_slice(b"x"));
        check(BytesMut::from(&b"x"[..]));
        check(String::from("x"));
        check([b"a".to_vec(), b"b".to_vec(), b"c".to_vec()]);
        check(vec![Bytes::from_static(b"a")]);
    }

    #[test]
    fn every_value_is_dropped_once_inline_or_boxed() {
        struct Counted<const WORDS: usize>(
            Vec<u8>,
            #[allow(dead_code, reason = "held for its drop")] Rc<()>,
            [usize; WORDS],
        );
        // SAFETY: the bytes are the vector's.
        unsafe impl<const WORDS: usize> SendBuf for Counted<WORDS> {
            fn parts(&self) -> usize {
                self.2.len().min(1)
            }
            fn part(&self, _: usize) -> (*const u8, usize) {
                self.0.part(0)
            }
        }
        fn check<const WORDS: usize>(boxed: bool) {
            let alive = Rc::new(());
            let any = AnyBuf::to_send(Counted::<WORDS>(vec![1], alive.clone(), [0; WORDS]));
            assert_eq!(any.table.boxed, boxed);
            drop(any);
            assert_eq!(Rc::strong_count(&alive), 1, "dropped once");
            let any = AnyBuf::to_send(Counted::<WORDS>(vec![1], alive.clone(), [0; WORDS]));
            let any = any.take::<Vec<u8>>().expect_err("another type");
            let Ok(back) = any.take::<Counted<WORDS>>() else { panic!("the right type") };
            assert_eq!((Rc::strong_count(&alive), &back.0[..]), (2, &[1][..]));
            drop(back);
            assert_eq!(Rc::strong_count(&alive), 1);
        }
        check::<2>(false);
        check::<3>(true);
    }

    #[test]
    fn a_sequence_of_many_buffers_is_gone_through_once() {
        struct Counted(Rc<std::cell::Cell<usize>>);
        // SAFETY: the bytes are static.
        unsafe impl SendBuf for Counted {
            fn parts(&self) -> usize {
                self.0.set(self.0.get() + 1);
                1
            }
            fn part(&self, _: usize) -> (*const u8, usize) {
                (b"ab".as_ptr(), 2)
            }
        }
        let asked = Rc::new(std::cell::Cell::new(0));
        let many: Vec<Counted> = (0..1000).map(|_| Counted(Rc::clone(&asked))).collect();
        assert_eq!(AnyBuf::to_send(many).total(), 2000);
        assert!(asked.get() <= 2000, "{asked:?}");
    }

    #[test]
    fn scatter_sets_each_length_in_order() {
        let mut bufs = [Vec::with_capacity(3), vec![9; 4], Vec::with_capacity(5)];
        let room: usize = (0..RecvBuf::parts(&bufs)).map(|i| bufs.part_mut(i).1).sum();
        assert!(room >= 12);
        let mut left = 5;
        for i in 0..3 {
            let (ptr, len) = bufs.part_mut(i);
            for at in 0..len.min(left) {
                // SAFETY: within the part.
                unsafe { ptr.add(at).write(i as u8) };
            }
            left -= len.min(left);
        }
        // SAFETY: five bytes were written just now.
        unsafe { bufs.set_received(5) };
        assert_eq!(bufs, [vec![0, 0, 0], vec![1, 1], vec![]]);
    }

    #[test]
    fn a_sequence_counts_the_parts_of_its_elements() {
        let nested = vec![[b"ab".to_vec(), b"c".to_vec()], [b"".to_vec(), b"def".to_vec()]];
        assert_eq!(SendBuf::parts(&nested), 4);
        assert_eq!((0..4).map(|i| nested.part(i).1).collect::<Vec<_>>(), [2, 1, 0, 3]);
        assert_eq!(AnyBuf::to_send(nested).total(), 6);
    }
}
