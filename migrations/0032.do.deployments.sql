-- The requests of deployments (CloudFormation's custom resource) in the order in which they came: a newer one takes the place of an
-- older one that is still at work, and one that is delivered again gets the answer that it was given.
CREATE TABLE pgtimewarp.deployment_requests (
  arrival bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  deployment text NOT NULL,
  request_id text NOT NULL,
  arrived_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  answer jsonb, -- null: not answered yet
  CONSTRAINT deployment_requests_key UNIQUE (deployment, request_id)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON pgtimewarp.deployment_requests TO pgtimewarp_admin;
