/** The HTTP API in front of its function: every route but those of the page's files needs an authorised caller. */
import { Duration, RemovalPolicy, Stack, Validations } from 'aws-cdk-lib';
import { AccessLogFormat } from 'aws-cdk-lib/aws-apigateway';
import {
  CorsHttpMethod,
  HttpApi,
  HttpMethod,
  HttpNoneAuthorizer,
  HttpStage,
  type IHttpRouteAuthorizer,
  LogGroupLogDestination,
} from 'aws-cdk-lib/aws-apigatewayv2';
import { HttpLambdaIntegration } from 'aws-cdk-lib/aws-apigatewayv2-integrations';
import { Grant, type IGrantable } from 'aws-cdk-lib/aws-iam';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';

interface QueryApiProps {
  readonly api: IFunction;
  readonly authorizer: IHttpRouteAuthorizer;
  readonly requestsPerSecond: number;
  readonly corsOrigins: readonly string[];
  /** Whether browsers get the page. */
  readonly hasPage: boolean;
  readonly logDays: RetentionDays;
}

/** Without the query, which has keys of rows (API Gateway Developer Guide, "$context variables" of HTTP APIs). */
const ACCESS_LOG = {
  time: '$context.requestTime',
  request: '$context.requestId',
  ip: '$context.identity.sourceIp',
  method: '$context.httpMethod',
  path: '$context.path',
  status: '$context.status',
  bytes: '$context.responseLength',
  millis: '$context.responseLatency',
  error: '$context.error.message',
};

/** The files of the page. They have no data; the function gives nothing else without a token. */
const PAGE_PATHS = ['/', '/ui', '/ui/{proxy+}', '/assets/{proxy+}'];
const OPEN_REASON =
  'The files of the page, which have no data. A browser loads them before anybody has signed in.';

const CORS = {
  allowMethods: [CorsHttpMethod.GET, CorsHttpMethod.HEAD, CorsHttpMethod.POST],
  allowHeaders: ['authorization', 'content-type', 'if-none-match', 'x-amz-date', 'x-amz-security-token'],
  exposeHeaders: ['allow', 'etag', 'retry-after'],
  maxAge: Duration.minutes(10),
};

export class QueryApi extends Construct {
  readonly stage: HttpStage;
  /** The method and the path of a request follow it in an IAM policy. */
  readonly executionArn: string;

  constructor(scope: Construct, id: string, props: QueryApiProps) {
    super(scope, id);
    const { api, authorizer, corsOrigins } = props;
    const http = new HttpApi(this, 'HttpApi', {
      description: 'pgtimewarp: rows as they were',
      createDefaultStage: false,
      defaultAuthorizer: authorizer,
      ...(corsOrigins.length > 0 ? { corsPreflight: { ...CORS, allowOrigins: [...corsOrigins] } } : {}),
    });
    const integration = new HttpLambdaIntegration('Integration', api);
    // the preflight request of a browser has no signature and no token
    if (corsOrigins.length > 0) {
      http.addRoutes({
        path: '/{proxy+}',
        methods: [HttpMethod.OPTIONS],
        authorizer: new HttpNoneAuthorizer(),
        integration,
      });
    }
    http.addRoutes({
      path: '/{proxy+}',
      methods: [HttpMethod.ANY], // the function refuses methods that write, with a problem document
      integration,
    });
    if (props.hasPage) this.#addPage(http, integration);
    const logGroup = new LogGroup(this, 'AccessLog', {
      retention: props.logDays,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    this.stage = new HttpStage(this, 'Stage', {
      httpApi: http,
      stageName: '$default',
      autoDeploy: true,
      accessLogSettings: {
        destination: new LogGroupLogDestination(logGroup),
        format: AccessLogFormat.custom(JSON.stringify(ACCESS_LOG)),
      },
      throttle: {
        rateLimit: props.requestsPerSecond,
        burstLimit: 2 * props.requestsPerSecond,
      },
    });
    this.executionArn = Stack.of(this).formatArn({
      service: 'execute-api',
      resource: http.apiId,
      resourceName: '$default',
    });
  }

  #addPage(http: HttpApi, integration: HttpLambdaIntegration): void {
    for (const path of PAGE_PATHS) {
      const routes = http.addRoutes({
        path,
        methods: [HttpMethod.GET],
        authorizer: new HttpNoneAuthorizer(),
        integration,
      });
      for (const route of routes)
        Validations.of(route).acknowledge({
          id: 'AwsSolutions::AwsSolutions-APIG4',
          reason: OPEN_REASON,
        });
    }
  }

  /** Lets a role or a function ask, if callers are known by IAM. */
  grantQuery(grantee: IGrantable): Grant {
    return Grant.addToPrincipal({
      grantee,
      actions: ['execute-api:Invoke'],
      resourceArns: [`${this.executionArn}/GET/*`, `${this.executionArn}/POST/*`],
    });
  }
}
