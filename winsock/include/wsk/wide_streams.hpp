/* wcout beside cout and printf: libc lets a stream be wide or narrow, not both, so what a program
   writes to wcout after cout would be lost. Here both end in the narrow stream, as UTF-8. */
#ifndef WSK_WIDE_STREAMS_HPP
#define WSK_WIDE_STREAMS_HPP
#include <stdio.h>
#include <streambuf>
#include <iostream>
extern "C" int wsk_put_wide(wchar_t character, FILE *file);
extern "C" wint_t wsk_get_wide(FILE *file);
namespace wsk {
class wide_buffer : public std::wstreambuf {
  public:
    explicit wide_buffer(FILE *file) : file_(file) {}

  protected:
    int_type overflow(int_type c) override {
        if (traits_type::eq_int_type(c, traits_type::eof())) return traits_type::not_eof(c);
        return wsk_put_wide(traits_type::to_char_type(c), file_) < 0 ? traits_type::eof() : c;
    }
    std::streamsize xsputn(const wchar_t *text, std::streamsize length) override {
        for (std::streamsize i = 0; i < length; i++)
            if (wsk_put_wide(text[i], file_) < 0) return i;
        return length;
    }
    int sync() override { return fflush(file_); }
    int_type underflow() override {
        if (!has_) {
            last_ = wsk_get_wide(file_);
            has_ = last_ != WEOF;
        }
        return has_ ? last_ : traits_type::eof();
    }
    int_type uflow() override {
        int_type c = underflow();
        has_ = false;
        return c;
    }

  private:
    FILE *file_;
    wint_t last_ = WEOF;
    bool has_ = false;
};
inline bool &wide_streams_done() {
    static bool done = false;
    return done;
}
struct wide_streams {
    wide_streams() {
        if (wide_streams_done()) return;
        wide_streams_done() = true;
        std::wcout.rdbuf(new wide_buffer(stdout));
        std::wcerr.rdbuf(new wide_buffer(stderr));
        std::wclog.rdbuf(new wide_buffer(stderr));
        std::wcin.rdbuf(new wide_buffer(stdin));
    }
};
namespace {
wide_streams wide_streams_of_this_source;
}
}
#endif
