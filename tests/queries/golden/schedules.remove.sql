DELETE FROM gendurable.schedules WHERE schedules.name = %(key)s::VARCHAR
