/* C++ only: overloads for what MSVC accepts. `unsigned long` is DWORD and u_long there, so programs
   pass the address of one; here it is widened. And `bind` of a socket must win over std::bind in a
   program with `using namespace std`. */
#ifndef WSK_WINSOCK2_HPP
#define WSK_WINSOCK2_HPP
extern "C++" {
template <class T> struct wsk_is_integer { enum { yes = 0 }; };
template <> struct wsk_is_integer<int> { enum { yes = 1 }; };
template <> struct wsk_is_integer<unsigned int> { enum { yes = 1 }; };
template <> struct wsk_is_integer<long> { enum { yes = 1 }; };
template <> struct wsk_is_integer<unsigned long> { enum { yes = 1 }; };
template <> struct wsk_is_integer<long long> { enum { yes = 1 }; };
template <> struct wsk_is_integer<unsigned long long> { enum { yes = 1 }; };
template <class T> struct wsk_is_sockaddr { enum { yes = 0 }; };
template <> struct wsk_is_sockaddr<sockaddr> { enum { yes = 1 }; };
template <> struct wsk_is_sockaddr<const sockaddr> { enum { yes = 1 }; };

template <class S, class A, class L>
inline typename wsk_enable<bool(wsk_is_integer<S>::yes) && bool(wsk_is_sockaddr<A>::yes) && bool(wsk_is_integer<L>::yes), int>::type
bind(S s, A *name, L length) {
    int (*const winsock)(SOCKET, const struct sockaddr *, int) = ::bind;
    return winsock((SOCKET)s, name, (int)length);
}

template <class U>
inline typename wsk_if_unsigned_long<U, int>::type ioctlsocket(SOCKET s, LONG command, U *argument) {
    *argument = (u_long)*argument;
    return ioctlsocket(s, command, (u_long *)argument);
}

#define WSK_LOW_HALF(p) (*(p) = (DWORD)*(p), (LPDWORD)(p))

template <class U>
inline typename wsk_if_unsigned_long<U, int>::type WSASend(SOCKET s, LPWSABUF buffers, DWORD n, U *sent, DWORD flags, LPWSAOVERLAPPED overlapped, LPWSAOVERLAPPED_COMPLETION_ROUTINE routine) {
    return WSASend(s, buffers, n, WSK_LOW_HALF(sent), flags, overlapped, routine);
}
template <class U>
inline typename wsk_if_unsigned_long<U, int>::type WSASendTo(SOCKET s, LPWSABUF buffers, DWORD n, U *sent, DWORD flags, const struct sockaddr *to, int tolen, LPWSAOVERLAPPED overlapped, LPWSAOVERLAPPED_COMPLETION_ROUTINE routine) {
    return WSASendTo(s, buffers, n, WSK_LOW_HALF(sent), flags, to, tolen, overlapped, routine);
}
template <class U>
inline typename wsk_if_unsigned_long<U, int>::type WSARecv(SOCKET s, LPWSABUF buffers, DWORD n, U *received, LPDWORD flags, LPWSAOVERLAPPED overlapped, LPWSAOVERLAPPED_COMPLETION_ROUTINE routine) {
    return WSARecv(s, buffers, n, WSK_LOW_HALF(received), flags, overlapped, routine);
}
template <class U>
inline typename wsk_if_unsigned_long<U, int>::type WSARecv(SOCKET s, LPWSABUF buffers, DWORD n, LPDWORD received, U *flags, LPWSAOVERLAPPED overlapped, LPWSAOVERLAPPED_COMPLETION_ROUTINE routine) {
    return WSARecv(s, buffers, n, received, WSK_LOW_HALF(flags), overlapped, routine);
}
template <class U, class V>
inline typename wsk_if_unsigned_long<U, typename wsk_if_unsigned_long<V, int>::type>::type WSARecv(SOCKET s, LPWSABUF buffers, DWORD n, U *received, V *flags, LPWSAOVERLAPPED overlapped, LPWSAOVERLAPPED_COMPLETION_ROUTINE routine) {
    return WSARecv(s, buffers, n, WSK_LOW_HALF(received), WSK_LOW_HALF(flags), overlapped, routine);
}
template <class U, class V>
inline typename wsk_if_unsigned_long<U, typename wsk_if_unsigned_long<V, int>::type>::type WSARecvFrom(SOCKET s, LPWSABUF buffers, DWORD n, U *received, V *flags, struct sockaddr *from, LPINT fromlen, LPWSAOVERLAPPED overlapped, LPWSAOVERLAPPED_COMPLETION_ROUTINE routine) {
    return WSARecvFrom(s, buffers, n, WSK_LOW_HALF(received), WSK_LOW_HALF(flags), from, fromlen, overlapped, routine);
}
template <class U>
inline typename wsk_if_unsigned_long<U, int>::type WSAIoctl(SOCKET s, DWORD code, LPVOID in, DWORD in_size, LPVOID out, DWORD out_size, U *returned, LPWSAOVERLAPPED overlapped, LPWSAOVERLAPPED_COMPLETION_ROUTINE routine) {
    return WSAIoctl(s, code, in, in_size, out, out_size, WSK_LOW_HALF(returned), overlapped, routine);
}
template <class U>
inline typename wsk_if_unsigned_long<U, BOOL>::type WSAGetOverlappedResult(SOCKET s, LPWSAOVERLAPPED overlapped, U *bytes, BOOL wait, LPDWORD flags) {
    return WSAGetOverlappedResult(s, overlapped, WSK_LOW_HALF(bytes), wait, flags);
}
template <class U, class V>
inline typename wsk_if_unsigned_long<U, typename wsk_if_unsigned_long<V, BOOL>::type>::type WSAGetOverlappedResult(SOCKET s, LPWSAOVERLAPPED overlapped, U *bytes, BOOL wait, V *flags) {
    return WSAGetOverlappedResult(s, overlapped, WSK_LOW_HALF(bytes), wait, WSK_LOW_HALF(flags));
}
}
#endif
