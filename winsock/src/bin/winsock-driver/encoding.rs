//! How a source is written: Unicode with or without a mark, or a code page of some region.

use std::ffi::{CString, c_char};

/// The file as UTF-8 with line feeds, without mark. `wanted` is the code page to use for what is
/// not Unicode; without it, `hint` (the includer's) decides where the bytes do not.
pub(crate) fn decode(
    bytes: &[u8],
    wanted: Option<&str>,
    hint: Option<&'static str>,
) -> Result<(String, Option<&'static str>), String> {
    let unicode = |text: String| Ok((tidy(&text), None));
    match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => return unicode(String::from_utf8_lossy(rest).into_owned()),
        [0xff, 0xfe, rest @ ..] => return unicode(utf16(rest, u16::from_le_bytes)),
        [0xfe, 0xff, rest @ ..] => return unicode(utf16(rest, u16::from_be_bytes)),
        _ => {}
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        return unicode(text.to_owned());
    }
    if let Some(page) = wanted {
        let text = convert(page, bytes, true).ok_or(format!("libc's iconv cannot read {page}."))?;
        return Ok((tidy(&text), None));
    }
    let page = guess(bytes, hint);
    let text = convert(page, bytes, true)
        .ok_or(format!("libc's iconv cannot read {page}. Install its gconv modules, or convert the file to UTF-8."))?;
    Ok((tidy(&text), Some(page)))
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]])).collect();
    String::from_utf16_lossy(&units)
}

fn tidy(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n").trim_end_matches('\u{1a}').to_owned()
}

/// Korean, simplified Chinese and Japanese share most byte pairs. Korean text keeps to the rows of
/// Hangul (B0 to C8), Chinese text uses the rows up to F7 as often.
fn guess(bytes: &[u8], hint: Option<&'static str>) -> &'static str {
    let (mut low, mut high, mut kana) = (0usize, 0usize, 0usize);
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] < 0x80 {
            at += 1;
            continue;
        }
        let second = bytes.get(at + 1).copied().unwrap_or(0);
        match bytes[at] {
            0xb0..=0xc8 if second >= 0xa1 => low += 1,
            0xc9..=0xf7 if second >= 0xa1 => high += 1,
            0x82 if (0x9f..=0xf1).contains(&second) => kana += 1,
            0x83 if (0x40..=0x96).contains(&second) => kana += 1,
            _ => {}
        }
        at += 2;
    }
    let fits = |page: &str| convert(page, bytes, false).is_some();
    if kana > low + high && fits("CP932") {
        return "CP932";
    }
    if let Some(hint) = hint.filter(|hint| low + high < 4 && fits(hint)) {
        return hint;
    }
    if high * 6 <= low && low > 0 && fits("CP949") {
        return "CP949";
    }
    ["GB18030", "CP949", "CP932"].into_iter().find(|page| low + high > 0 && fits(page)).unwrap_or("CP1252")
}

unsafe extern "C" {
    fn iconv_open(to: *const c_char, from: *const c_char) -> *mut std::ffi::c_void;
    fn iconv(
        descriptor: *mut std::ffi::c_void,
        input: *mut *mut c_char,
        left: *mut usize,
        output: *mut *mut c_char,
        room: *mut usize,
    ) -> usize;
    fn iconv_close(descriptor: *mut std::ffi::c_void) -> i32;
}

/// `bytes` of the code page `page` as text. `lossy`: a byte that has no meaning becomes U+FFFD;
/// otherwise the answer is `None`, as it is for a page that libc does not know.
fn convert(page: &str, bytes: &[u8], lossy: bool) -> Option<String> {
    let page = CString::new(page).ok()?;
    // SAFETY: both names end with a zero.
    let descriptor = unsafe { iconv_open(c"UTF-8".as_ptr(), page.as_ptr()) };
    if descriptor.addr() == usize::MAX {
        return None;
    }
    let mut output = vec![0u8; bytes.len() * 4 + 16];
    let mut written = 0;
    let mut at = 0;
    let mut whole = true;
    while at < bytes.len() {
        let mut input = bytes[at..].as_ptr().cast_mut().cast::<c_char>();
        let mut left = bytes.len() - at;
        let mut to = output[written..].as_mut_ptr().cast::<c_char>();
        let mut room = output.len() - written;
        let before = room;
        // SAFETY: both pointers are valid for the lengths given; iconv does not write its input.
        let result = unsafe { iconv(descriptor, &mut input, &mut left, &mut to, &mut room) };
        written += before - room;
        at = bytes.len() - left;
        if result == usize::MAX && at < bytes.len() {
            whole = false;
            if !lossy {
                break;
            }
            output[written..written + 3].copy_from_slice("\u{fffd}".as_bytes());
            written += 3;
            at += 1;
        }
    }
    // SAFETY: opened above, closed once.
    unsafe { iconv_close(descriptor) };
    output.truncate(written);
    if whole || lossy { Some(String::from_utf8_lossy(&output).into_owned()) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_page(page: &str, text: &str) -> Vec<u8> {
        // The reverse way through iconv, one direction is enough for the driver itself.
        let to = CString::new(page).expect("no zero");
        let mut output = vec![0u8; text.len() * 2 + 8];
        // SAFETY: pointers with their lengths, a descriptor that is closed once.
        unsafe {
            let descriptor = iconv_open(to.as_ptr(), c"UTF-8".as_ptr());
            let mut input = text.as_ptr().cast_mut().cast::<c_char>();
            let (mut left, mut room) = (text.len(), output.len());
            let mut at = output.as_mut_ptr().cast::<c_char>();
            assert_ne!(iconv(descriptor, &mut input, &mut left, &mut at, &mut room), usize::MAX);
            iconv_close(descriptor);
            let used = output.len() - room;
            output.truncate(used);
        }
        output
    }

    #[test]
    fn code_pages_are_told_apart() {
        let korean = "// 서버를 초기화하고 클라이언트의 접속을 기다린다\n";
        let chinese = "// 初始化服务器,等待客户端的连接,然后投递接收请求\n";
        let japanese = "// サーバーをしょきかして、クライアントのせつぞくをまつ\n";
        for (page, text) in [("CP949", korean), ("GB18030", chinese), ("CP932", japanese)] {
            let (read, found) = decode(&in_page(page, text), None, None).expect("readable");
            assert_eq!((read.as_str(), found), (text, Some(page)));
        }
    }

    #[test]
    fn few_characters_follow_the_includer() {
        let bytes = in_page("GB18030", "// 连接\n");
        assert_eq!(decode(&bytes, None, Some("GB18030")).expect("readable").0, "// 连接\n");
        assert_eq!(decode(b"\xff\xfea\0\r\0\n\0", None, None).expect("readable").0, "a\n");
        assert_eq!(decode(b"\xef\xbb\xbfx\r\n\x1a", None, None).expect("readable").0, "x\n");
    }

    #[test]
    fn a_wanted_page_is_used() {
        assert_eq!(decode(b"\xe9", Some("CP1252"), None).expect("readable").0, "é");
        assert!(decode(b"\xe9", Some("NO-SUCH-PAGE"), None).is_err());
    }
}
