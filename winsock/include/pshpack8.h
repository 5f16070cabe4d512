/* Structures without gaps beyond 8 bytes, until poppack.h. Without a guard: it nests. */
#pragma pack(push, 8)
