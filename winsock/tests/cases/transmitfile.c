/* TransmitFile: whole files, parts, what goes before and after, disconnecting. */
#include "check.h"

static HANDLE make_file(const char *path, const char *text) {
    HANDLE file = CreateFileA(path, GENERIC_READ | GENERIC_WRITE, 0, NULL, CREATE_ALWAYS,
        FILE_ATTRIBUTE_NORMAL | FILE_FLAG_DELETE_ON_CLOSE, NULL);
    DWORD written = 0;
    WriteFile(file, text, (DWORD)strlen(text), &written, NULL);
    SetFilePointer(file, 0, NULL, FILE_BEGIN);
    return file;
}

static void receive(const char *what, SOCKET s, int count) {
    char text[64];
    int got = recv(s, text, count, MSG_WAITALL);
    show_bytes(what, text, got);
}

int main(void) {
    SOCKET client, server;
    TRANSMIT_FILE_BUFFERS around;
    WSAOVERLAPPED overlapped;
    HANDLE file;
    char path[MAX_PATH], text[8];
    begin();
    sprintf(path, "winsock-case-%lu.tmp", (unsigned long)GetCurrentProcessId());
    file = make_file(path, "0123456789abcdef");
    yes("the file", file != INVALID_HANDLE_VALUE);
    connected(&client, &server);
    TRUTH("TransmitFile", TransmitFile(server, file, 0, 0, NULL, NULL, 0));
    receive("the whole file", client, 16);
    SetFilePointer(file, 4, NULL, FILE_BEGIN);
    TRUTH("TransmitFile of some", TransmitFile(server, file, 3, 0, NULL, NULL, 0));
    receive("from the file's position", client, 3);
    memset(&around, 0, sizeof around);
    around.Head = (PVOID) "<head>";
    around.HeadLength = 6;
    around.Tail = (PVOID) "<tail>";
    around.TailLength = 6;
    SetFilePointer(file, 14, NULL, FILE_BEGIN);
    TRUTH("with head and tail", TransmitFile(server, file, 0, 0, NULL, &around, 0));
    receive("all", client, 14);
    memset(&overlapped, 0, sizeof overlapped);
    overlapped.hEvent = WSACreateEvent();
    overlapped.Offset = 10;
    {
        BOOL outcome = TransmitFile(server, file, 4, 0, &overlapped, NULL, 0);
        DWORD code = WSAGetLastError();
        yes("overlapped, from an offset", outcome || code == ERROR_IO_PENDING);
    }
    show_result("it ends", server, &overlapped);
    receive("the part", client, 4);
    TRUTH("without a file", TransmitFile(server, NULL, 0, 0, NULL, &around, 0));
    receive("head and tail alone", client, 12);
    TRUTH("a wrong file", TransmitFile(server, (HANDLE)(ULONG_PTR)0x7ffffff0, 0, 0, NULL, NULL, 0));
    SetFilePointer(file, 0, NULL, FILE_BEGIN);
    TRUTH("and disconnect", TransmitFile(server, file, 2, 0, NULL, NULL, TF_DISCONNECT));
    receive("the bytes", client, 2);
    impatient(client);
    CALL("and the end", recv(client, text, sizeof text, 0));
    closesocket(client);
    closesocket(server);
    server = tcp();
    TRUTH("without a connection", TransmitFile(server, file, 2, 0, NULL, NULL, 0));
    closesocket(server);
    TRUTH("CloseHandle", CloseHandle(file));
    TRUTH("the file is gone", GetFileAttributesA(path) == INVALID_FILE_ATTRIBUTES);
    WSACloseEvent(overlapped.hEvent);
    return 0;
}
