UPDATE gendurable.buckets SET head_at=statement_timestamp() WHERE buckets.head_at IS NOT NULL AND split_part(buckets.key, ':', 1) = %(name)s::VARCHAR
