import { huntInterruptions } from './interruptions.ts';

huntInterruptions('pgoutput');
