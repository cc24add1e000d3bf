/** The HTTP API of a deployment as a stack of its own. */
import { CfnOutput, Stack, type StackProps } from 'aws-cdk-lib';
import type { HttpStage } from 'aws-cdk-lib/aws-apigatewayv2';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import type { RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import type { ApiConfiguration } from '../config/schema.ts';
import { QueryApi } from '../constructs/query-api.ts';
import { authorization } from './from-configuration.ts';

interface HttpApiStackProps extends StackProps {
  readonly configuration: ApiConfiguration;
  readonly logDays: RetentionDays;
  readonly api: IFunction;
}

export class HttpApiStack extends Stack {
  readonly stage: HttpStage;

  constructor(scope: Construct, id: string, { configuration, logDays, api, ...props }: HttpApiStackProps) {
    super(scope, id, props);
    const { stage, executionArn } = new QueryApi(this, 'Default', {
      ...configuration,
      api,
      authorizer: authorization(configuration)._authorizer(),
      hasPage: configuration.page !== null,
      logDays,
    });
    this.stage = stage;
    new CfnOutput(this, 'Url', { value: stage.url });
    new CfnOutput(this, 'ExecutionArn', { value: executionArn });
  }
}
