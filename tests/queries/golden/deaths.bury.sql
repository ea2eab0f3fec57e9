UPDATE gendurable.instances SET lease_expires_at=(statement_timestamp() - interval '1 day') WHERE instances.status = 'executing' AND instances.locked_by = %(worker)s::VARCHAR
