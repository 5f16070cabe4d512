/* Structures without gaps, until poppack.h. Without a guard: it nests. */
#pragma pack(push, 1)
