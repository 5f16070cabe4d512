/* Ends what pshpack1.h and its relatives began. Without a guard: it nests. */
#pragma pack(pop)
