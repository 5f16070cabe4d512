/* Structures without gaps beyond 2 bytes, until poppack.h. Without a guard: it nests. */
#pragma pack(push, 2)
