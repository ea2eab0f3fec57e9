SELECT transitions.instance_id, transitions.kind, transitions.step, CAST(transitions.state AS TEXT) AS state
FROM gendurable.transitions
WHERE transitions.id = %(entry)s::BIGINT
