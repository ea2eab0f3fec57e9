UPDATE gendurable.schedules SET error=%(problem)s::VARCHAR, updated_at=statement_timestamp() WHERE schedules.name = %(key)s::VARCHAR
