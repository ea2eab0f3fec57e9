UPDATE gendurable.buckets SET head_at=statement_timestamp() WHERE gendurable.buckets.head_at IS NOT NULL AND split_part(gendurable.buckets.key, ':', 1) = %(name)s::VARCHAR
