DELETE FROM gendurable.nodes WHERE gendurable.nodes.name = %(worker)s::VARCHAR
