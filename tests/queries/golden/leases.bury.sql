UPDATE gendurable.instances SET lease_expires_at=(statement_timestamp() - interval '1 day') WHERE gendurable.instances.status = 'executing' AND gendurable.instances.locked_by = %(worker)s::VARCHAR
