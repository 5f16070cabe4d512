/* Structures without gaps beyond 4 bytes, until poppack.h. Without a guard: it nests. */
#pragma pack(push, 4)
