DELETE FROM gendurable.limits USING json_to_recordset(%(names)s::JSON) AS named(kind TEXT, name TEXT) WHERE limits.source = 'override' AND limits.kind = named.kind AND limits.name = named.name
