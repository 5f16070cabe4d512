/* Source annotations: read by Microsoft's analyser, empty here. The lower-case ones with two
   underscores (__in, __out) are names of libstdc++, so the compiler driver removes them from
   sources instead. */
#ifndef WSK_SAL_H
#define WSK_SAL_H

#define _In_
#define _In_z_
#define _In_opt_
#define _In_opt_z_
#define _In_reads_(n)
#define _In_reads_opt_(n)
#define _In_reads_z_(n)
#define _In_reads_or_z_(n)
#define _In_reads_bytes_(n)
#define _In_reads_bytes_opt_(n)
#define _In_range_(low, high)
#define _In_count_(n)
#define _In_bytecount_(n)
#define _In_NLS_string_(n)
#define _In_bound_
#define _Out_
#define _Out_opt_
#define _Out_writes_(n)
#define _Out_writes_opt_(n)
#define _Out_writes_z_(n)
#define _Out_writes_opt_z_(n)
#define _Out_writes_all_(n)
#define _Out_writes_all_opt_(n)
#define _Out_writes_to_(n, used)
#define _Out_writes_to_opt_(n, used)
#define _Out_writes_bytes_(n)
#define _Out_writes_bytes_opt_(n)
#define _Out_writes_bytes_all_(n)
#define _Out_writes_bytes_to_(n, used)
#define _Out_writes_bytes_to_opt_(n, used)
#define _Out_cap_(n)
#define _Out_z_cap_(n)
#define _Out_z_cap_c_(n)
#define _Out_bytecap_(n)
#define _Out_range_(low, high)
#define _Outptr_
#define _Outptr_opt_
#define _Outptr_result_maybenull_
#define _Outptr_result_bytebuffer_(n)
#define _Outptr_opt_result_maybenull_
#define _Inout_
#define _Inout_opt_
#define _Inout_z_
#define _Inout_updates_(n)
#define _Inout_updates_opt_(n)
#define _Inout_updates_z_(n)
#define _Inout_updates_bytes_(n)
#define _Inout_updates_bytes_opt_(n)
#define _Inout_updates_to_(n, used)
#define _Inout_updates_bytes_to_(n, used)
#define _Inout_cap_(n)
#define _Ret_
#define _Ret_z_
#define _Ret_opt_
#define _Ret_maybenull_
#define _Ret_maybenull_z_
#define _Ret_notnull_
#define _Ret_null_
#define _Ret_valid_
#define _Ret_writes_(n)
#define _Ret_writes_maybenull_(n)
#define _Ret_writes_bytes_(n)
#define _Ret_range_(low, high)
#define _Deref_out_
#define _Deref_out_opt_
#define _Deref_out_range_(low, high)
#define _Deref_pre_opt_valid_
#define _Field_size_(n)
#define _Field_size_opt_(n)
#define _Field_size_bytes_(n)
#define _Field_size_bytes_opt_(n)
#define _Field_size_part_(n, used)
#define _Field_range_(low, high)
#define _Field_z_
#define _Struct_size_bytes_(n)
#define _Null_terminated_
#define _NullNull_terminated_
#define _Readable_bytes_(n)
#define _Writable_elements_(n)
#define _Pre_
#define _Pre_z_
#define _Pre_null_
#define _Pre_notnull_
#define _Pre_maybenull_
#define _Pre_valid_
#define _Pre_opt_valid_
#define _Pre_invalid_
#define _Post_
#define _Post_z_
#define _Post_null_
#define _Post_notnull_
#define _Post_maybenull_
#define _Post_valid_
#define _Post_invalid_
#define _Post_ptr_invalid_
#define _Post_equals_last_error_
#define _Post_satisfies_(condition)
#define _Post_writable_byte_size_(n)
#define _Post_readable_byte_size_(n)
#define _Pre_satisfies_(condition)
#define _Printf_format_string_
#define _Scanf_format_string_
#define _Scanf_s_format_string_
#define _Check_return_
#define _Check_return_opt_
#define _Must_inspect_result_
#define _Reserved_
#define _Const_
#define _Maybenull_
#define _Notnull_
#define _Valid_
#define _Notvalid_
#define _Use_decl_annotations_
#define _Frees_ptr_
#define _Frees_ptr_opt_
#define _Points_to_data_
#define _Interlocked_operand_
#define _Ret_range_(low, high)
#define _Return_type_success_(condition)
#define _Success_(condition)
#define _On_failure_(annotation)
#define _Always_(annotation)
#define _When_(condition, annotation)
#define _At_(target, annotation)
#define _At_buffer_(target, name, size, annotation)
#define _Group_(annotation)
#define _Function_class_(name)
#define _Analysis_assume_(condition) ((void)0)
#define _Analysis_noreturn_
#define _Static_assert_(condition)
#define _Literal_
#define _Notliteral_
#define _Raises_SEH_exception_
#define _Guarded_by_(lock)
#define _Write_guarded_by_(lock)
#define _Interlocked_
#define _Acquires_lock_(lock)
#define _Releases_lock_(lock)
#define _Acquires_shared_lock_(lock)
#define _Acquires_exclusive_lock_(lock)
#define _Releases_shared_lock_(lock)
#define _Releases_exclusive_lock_(lock)
#define _Requires_lock_held_(lock)
#define _Requires_lock_not_held_(lock)
#define _Requires_shared_lock_held_(lock)
#define _Requires_exclusive_lock_held_(lock)
#define _Requires_no_locks_held_
#define _Create_lock_level_(level)
#define _Has_lock_level_(level)
#define _Lock_level_order_(first, second)
#define _Has_lock_kind_(kind)
#define _No_competing_thread_
#define _IRQL_requires_(level)
#define __analysis_assume(condition) ((void)0)
#define __analysis_noreturn

#endif
