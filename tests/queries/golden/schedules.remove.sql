DELETE FROM gendurable.schedules WHERE gendurable.schedules.name = %(key)s::VARCHAR
