UPDATE gendurable.schedules SET error=%(problem)s::VARCHAR, updated_at=statement_timestamp() WHERE gendurable.schedules.name = %(key)s::VARCHAR
