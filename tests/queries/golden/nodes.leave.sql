DELETE FROM gendurable.nodes WHERE nodes.name = %(worker)s::VARCHAR
