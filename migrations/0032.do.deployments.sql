-- The requests of deployments (CloudFormation's custom resource) in the order in which they came: a newer one takes the place of an
-- older one that is still at work, and one that is delivered again gets the answer that it was given.
CREATE TABLE pgtimewarp.deployment_requests (
  arrival bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  deployment text NOT NULL,
  request_id text NOT NULL,
  arrived_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  answer jsonb,
  CONSTRAINT deployment_requests_key UNIQUE (deployment, request_id)
);
COMMENT ON TABLE pgtimewarp.deployment_requests IS 'Requests of deployments: the last one of each counts.';
COMMENT ON COLUMN pgtimewarp.deployment_requests.arrival IS 'In the order in which they came.';
COMMENT ON COLUMN pgtimewarp.deployment_requests.deployment IS 'Stack and resource.';
COMMENT ON COLUMN pgtimewarp.deployment_requests.request_id IS 'Of CloudFormation: the same when it is delivered again.';
COMMENT ON COLUMN pgtimewarp.deployment_requests.arrived_at IS 'When it came first.';
COMMENT ON COLUMN pgtimewarp.deployment_requests.answer IS 'What it was answered; null: nothing yet.';
GRANT SELECT, INSERT, UPDATE, DELETE ON pgtimewarp.deployment_requests TO pgtimewarp_admin;
