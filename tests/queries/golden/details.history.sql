SELECT transitions.id, transitions.instance_id, transitions.kind, transitions.step, transitions.attempt, transitions.visit, transitions.duration, transitions.worker, transitions.error, transitions.made_by, transitions.reason, transitions.inserted_at, left(transitions.traceback, 20000) AS traceback, left(CAST(transitions.state AS TEXT), 20000) AS state
FROM gendurable.transitions
WHERE transitions.instance_id = %(target)s::BIGINT AND transitions.id < %(before)s::BIGINT ORDER BY transitions.id DESC
 LIMIT 26
