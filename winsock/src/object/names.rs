//! Names of objects. They hold within the process: nothing is shared with others.

use std::collections::HashMap;
use std::ffi::{CStr, c_char};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::abi::Wchar;
use crate::error::{
    ERROR_ALREADY_EXISTS, ERROR_FILE_NOT_FOUND, ERROR_FILENAME_EXCED_RANGE, ERROR_INVALID_HANDLE, ERROR_INVALID_NAME,
    ERROR_INVALID_PARAMETER, ERROR_NO_SYSTEM_RESOURCES, ERROR_PATH_NOT_FOUND, NO_ERROR, fail, set_last,
};
use crate::handles::{self, Object};

/// `MAX_PATH`.
const LONGEST: usize = 260;
/// Names at once. Those of closed objects are removed when it is reached.
const MOST: usize = 65536;

static NAMES: Mutex<Option<HashMap<String, Weak<dyn Object>>>> = Mutex::new(None);

/// A name as a program gives it; `None` for an object without one.
pub(super) type Name = Option<String>;

/// # Safety
/// `name` is null or the start of a string with an end.
pub(super) unsafe fn narrow(name: *const c_char) -> Result<Name, u32> {
    if name.is_null() {
        return Ok(None);
    }
    // SAFETY: as the caller promises.
    let name = unsafe { CStr::from_ptr(name) }.to_string_lossy();
    checked(name.into_owned())
}

/// # Safety
/// `name` is null or the start of a string with an end.
pub(super) unsafe fn wide(name: *const Wchar) -> Result<Name, u32> {
    if name.is_null() {
        return Ok(None);
    }
    let mut text = String::new();
    for at in 0.. {
        // SAFETY: as the caller promises, and the end has not been reached.
        let unit = unsafe { *name.add(at) };
        if unit == 0 {
            break;
        }
        text.push(char::from_u32(unit).ok_or(ERROR_INVALID_NAME)?);
    }
    checked(text)
}

fn checked(name: String) -> Result<Name, u32> {
    if name.is_empty() {
        return Ok(None);
    }
    if name.chars().count() >= LONGEST {
        return Err(ERROR_FILENAME_EXCED_RANGE);
    }
    // Both namespaces are this process's. The one without a prefix is the local one.
    let (namespace, rest) = match name.strip_prefix("Global\\") {
        Some(rest) => ("Global\\", rest),
        None => ("", name.strip_prefix("Local\\").unwrap_or(&name)),
    };
    if rest.contains('\\') { Err(ERROR_PATH_NOT_FOUND) } else { Ok(Some(format!("{namespace}{rest}"))) }
}

fn living(object: Option<&Weak<dyn Object>>) -> Option<Arc<dyn Object>> {
    object?.upgrade().filter(|object| object.header().is_open())
}

/// Gives a new object a handle and its name, or one to the object of that name that exists. Sets
/// the thread's error to say which; 0 on failure.
pub(super) fn create<T: Object>(name: Result<Name, u32>, make: impl FnOnce() -> T) -> usize {
    let made = name.and_then(|name| create_as(name, make));
    let (handle, code) = made.unwrap_or_else(|code| (0, code));
    set_last(code);
    handle
}

fn create_as<T: Object>(name: Name, make: impl FnOnce() -> T) -> Result<(usize, u32), u32> {
    let Some(name) = name else {
        let handle = handles::insert(Arc::new(make())).ok_or(ERROR_NO_SYSTEM_RESOURCES)?;
        return Ok((handle, NO_ERROR));
    };
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    let names = names.get_or_insert_default();
    if let Some(object) = living(names.get(&name)) {
        let object = handles::downcast::<T>(object).ok_or(ERROR_INVALID_HANDLE)?;
        return Ok((handles::insert(object).ok_or(ERROR_NO_SYSTEM_RESOURCES)?, ERROR_ALREADY_EXISTS));
    }
    if names.len() >= MOST {
        names.retain(|_, object| living(Some(object)).is_some());
        if names.len() >= MOST {
            return Err(ERROR_NO_SYSTEM_RESOURCES);
        }
    }
    let object: Arc<dyn Object> = Arc::new(make());
    names.insert(name, Arc::downgrade(&object));
    Ok((handles::insert(object).ok_or(ERROR_NO_SYSTEM_RESOURCES)?, NO_ERROR))
}

/// A handle to the object with a name; 0 on failure.
pub(super) fn open<T: Object>(name: Result<Name, u32>, is_null: bool) -> usize {
    if is_null {
        return fail(ERROR_INVALID_PARAMETER, 0);
    }
    let opened = name.and_then(|name| {
        let name = name.ok_or(ERROR_INVALID_HANDLE)?;
        let names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
        let object = living(names.as_ref().and_then(|names| names.get(&name))).ok_or(ERROR_FILE_NOT_FOUND)?;
        let object = handles::downcast::<T>(object).ok_or(ERROR_INVALID_HANDLE)?;
        handles::insert(object).ok_or(ERROR_NO_SYSTEM_RESOURCES)
    });
    opened.unwrap_or_else(|code| fail(code, 0))
}
